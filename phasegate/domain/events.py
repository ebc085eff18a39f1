"""What can happen to a release. Each event is one row of the ledger and says who and why."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from phasegate.domain.checklist import Result
from phasegate.domain.database import DatabaseEvent
from phasegate.domain.decision import Decision
from phasegate.domain.drift import Drifted, DriftSettled, Settling
from phasegate.domain.happening import Happening
from phasegate.domain.outage import Stalled
from phasegate.domain.outbox import Delivered, Notice
from phasegate.domain.plan import Environment
from phasegate.domain.questions import Answered, AnswerRefused, Asked, Choice, Expired, Withdrawn
from phasegate.domain.sources import CrossChecked, SyntheticChecked
from phasegate.domain.standing import Examined, RestoreRefused
from phasegate.domain.synthetic import SyntheticSending
from phasegate.domain.verdict import Reason, Verdict
from phasegate.domain.versions import LiveSplit, Split, Version

__all__ = ["AnswerRefused", "Answered", "Asked", "Choice", "CrossChecked", "Delivered", "DriftSettled"]
__all__ += ["SyntheticChecked", "SyntheticSending"]
__all__ += ["Drifted", "Examined", "Expired", "Notice", "RestoreRefused", "Settling", "Withdrawn"]


class Outcome(StrEnum):
    """How a release ended."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled-back"
    REFUSED = "refused"
    ABANDONED = "abandoned"


class Candidate(BaseModel):
    """What is to be released: a bundle by path and digest, or a version that is already uploaded."""

    model_config = ConfigDict(frozen=True)

    bundle: str = ""
    digest: str = ""
    version: str = ""
    tag: str = ""


class Opened(Happening):
    """A release begins; plan and known-good version are fixed here and never inferred later."""

    kind: Literal["opened"] = "opened"
    service: str
    plan: dict[str, Any]
    plan_digest: str
    candidate: Candidate
    known_good: Version
    live: LiveSplit
    reason: str
    requested_by: str
    ci: str = ""
    break_glass: str = ""


class Driven(Happening):
    """A run of the orchestrator drives the release from now on."""

    kind: Literal["driven"] = "driven"
    run: str


class PhaseBegan(Happening):
    """A phase begins."""

    kind: Literal["phase-began"] = "phase-began"
    phase: str


class Uploaded(Happening):
    """The candidate exists as a version in one environment."""

    kind: Literal["uploaded"] = "uploaded"
    environment: Environment
    version: Version


class Intended(Happening):
    """A split is about to be written; without a later ``acted`` or ``dropped`` its effect is unknown."""

    kind: Literal["intended"] = "intended"
    id: str
    worker: str
    split: Split
    was: str = Field(description="Id of the platform's deployment that was read before.")
    because: str
    fence: int


class Acted(Happening):
    """The intended split was read back from the platform."""

    kind: Literal["acted"] = "acted"
    intent: str
    worker: str
    live: LiveSplit


class Dropped(Happening):
    """The intended split was not written, or did not take effect."""

    kind: Literal["dropped"] = "dropped"
    intent: str
    why: str


class ShareSeen(Happening):
    """How the observed share follows the configured one."""

    kind: Literal["share-seen"] = "share-seen"
    phase: str
    observed: float | None
    weight: float
    followed: bool


class Checked(Happening):
    """Results of a phase's machine checks."""

    kind: Literal["checked"] = "checked"
    phase: str
    results: tuple[Result, ...]


class Loaded(Happening):
    """A load test ran against staging; ``report`` is its summary."""

    kind: Literal["loaded"] = "loaded"
    phase: str
    report: dict[str, Any]


class Soaking(Happening):
    """A phase watches until the given time."""

    kind: Literal["soaking"] = "soaking"
    phase: str
    since: datetime
    until: datetime


class Extended(Happening):
    """A soak is prolonged, because the evidence does not decide or a person asked for it."""

    kind: Literal["extended"] = "extended"
    phase: str
    until: datetime
    because: str


class Judged(Happening):
    """A verdict that is new: the first of a phase, a change of finding, or the one at the end of a soak."""

    kind: Literal["judged"] = "judged"
    verdict: Verdict
    final: bool


class Decided(Happening):
    """What follows from the verdict at the end of a soak."""

    kind: Literal["decided"] = "decided"
    phase: str
    decision: Decision


class Breached(Happening):
    """A rollback threshold was exceeded; the evidence reached until then, in each of its sources."""

    kind: Literal["breached"] = "breached"
    phase: str
    because: tuple[Reason, ...] = Field(min_length=1)
    judged_until: datetime | None = None
    synthetic_until: datetime | None = None


class AbortAsked(Happening):
    """Somebody or something other than a threshold wants the release taken back."""

    kind: Literal["abort-asked"] = "abort-asked"
    by: str
    reason: str


class PhaseEnded(Happening):
    """A phase is over and was passed."""

    kind: Literal["phase-ended"] = "phase-ended"
    phase: str


class KnownGood(Happening):
    """The version that a rollback would restore from now on."""

    kind: Literal["known-good"] = "known-good"
    version: Version


class Verified(Happening):
    """After a rollback: health and version through the front door."""

    kind: Literal["verified"] = "verified"
    ok: bool
    version: str
    detail: str


class Recovered(Happening):
    """After a rollback: whether the criteria hold again on the known-good version."""

    kind: Literal["recovered"] = "recovered"
    recovered: bool
    detail: str


class Noted(Happening):
    """Something worth keeping that changes nothing."""

    kind: Literal["noted"] = "noted"
    text: str


class Ended(Happening):
    """The release is over."""

    kind: Literal["ended"] = "ended"
    outcome: Outcome
    summary: str


Event = Annotated[
    Opened
    | Driven
    | PhaseBegan
    | Uploaded
    | Intended
    | Acted
    | Dropped
    | ShareSeen
    | Checked
    | Loaded
    | Soaking
    | Extended
    | Judged
    | Decided
    | Asked
    | Answered
    | AnswerRefused
    | Expired
    | Withdrawn
    | Breached
    | AbortAsked
    | PhaseEnded
    | KnownGood
    | Drifted
    | DriftSettled
    | Examined
    | RestoreRefused
    | CrossChecked
    | SyntheticSending
    | SyntheticChecked
    | Verified
    | Recovered
    | Notice
    | Delivered
    | Stalled
    | DatabaseEvent
    | Noted
    | Ended,
    Field(discriminator="kind"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class Recorded(BaseModel):
    """
    One row of the ledger: an event with its place in the chain.

    ``hash`` is SHA-256 over the previous row's hash and the canonical JSON of
    release, seq, at, by and event, in hexadecimal.
    """

    model_config = ConfigDict(frozen=True)

    release: str
    seq: int = Field(ge=1)
    at: datetime
    by: str
    event: Event
    previous: str
    hash: str
