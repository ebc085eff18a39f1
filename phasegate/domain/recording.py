"""
A release as the judge saw it: what is stored of it, and what is read to be judged again.

It holds everything the judge is given (plan, versions, soaks, intervals, health checks) and,
when it comes from a ledger, what was found then.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from phasegate.domain import events as e
from phasegate.domain.errors import RecordingError
from phasegate.domain.ledger import ReleaseState, replay
from phasegate.domain.observation import Minute, Probe
from phasegate.domain.plan import STORED, Environment, RolloutPlan
from phasegate.domain.verdict import Reason, Verdict


class RecordedSoak(BaseModel):
    """When a phase was watched; *until* with every extension."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phase: str
    since: datetime
    until: datetime
    extended: int = Field(default=0, ge=0)


class Watched(BaseModel):
    """
    What was seen of one Worker: the staging Worker, or the service in production.

    ``control`` and ``canary`` are version ids as the counts carry them; staging has no control.
    ``history`` is what the service did before the release, in intervals of any length.
    ``probes`` is None where health checks were not recorded at all. ``synthetic`` are intervals of
    requests of our own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: Environment
    worker: str = ""
    control: str
    canary: str = Field(min_length=1)
    soaks: tuple[RecordedSoak, ...]
    minutes: tuple[Minute, ...]
    probes: tuple[Probe, ...] | None = None
    history: tuple[Minute, ...] = ()
    synthetic: tuple[Minute, ...] = ()


class RecordedBreach(BaseModel):
    """The moment a threshold took the version back, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phase: str
    at: datetime
    because: tuple[Reason, ...]
    judged_until: datetime | None = None
    synthetic_until: datetime | None = None


class Recording(BaseModel):
    """Everything that is needed to judge a release again, and what was found the first time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    release: str = ""
    plan: RolloutPlan
    watched: tuple[Watched, ...] = Field(min_length=1)
    verdicts: tuple[Verdict, ...] = ()
    breaches: tuple[RecordedBreach, ...] = ()

    @model_validator(mode="after")
    def _knows_its_phases(self) -> Self:
        names = {phase.name for phase in self.plan.phases}
        told = [soak.phase for one in self.watched for soak in one.soaks]
        told += [verdict.phase for verdict in self.verdicts] + [breach.phase for breach in self.breaches]
        if strange := sorted(set(told) - names):
            raise ValueError(
                f"no phase of the plan: {', '.join(strange)}; allowed: {', '.join(sorted(names))}"
            )
        return self

    @property
    def production(self) -> Watched | None:
        """What was seen of the service itself."""
        return next((one for one in self.watched if one.environment is Environment.PRODUCTION), None)


def watched(
    state: ReleaseState,
    environment: Environment,
    *,
    worker: str,
    minutes: tuple[Minute, ...],
    probes: tuple[Probe, ...],
    history: tuple[Minute, ...] = (),
    synthetic: tuple[Minute, ...] = (),
) -> Watched | None:
    """What the ledger holds of one environment of a release; None when no version was ever there."""
    version = state.uploaded.get(environment)
    if version is None:
        return None
    return Watched(
        environment=environment,
        worker=worker,
        control=state.opened.known_good.id if environment is Environment.PRODUCTION else "",
        canary=version.id,
        soaks=tuple(_soaks(state, environment)),
        minutes=minutes,
        probes=probes,
        history=history,
        synthetic=synthetic,
    )


def record(rows: tuple[e.Recorded, ...], seen: Iterable[Watched]) -> Recording:
    """The recording of the release with the events *rows*. Raises ValueError when nothing was *seen*."""
    state = replay(rows)
    told = {
        "release": state.release,
        "plan": state.plan,
        "watched": tuple(seen),
        "verdicts": tuple(row.event.verdict for row in rows if isinstance(row.event, e.Judged)),
        "breaches": tuple(
            RecordedBreach(
                phase=row.event.phase,
                at=row.at,
                because=row.event.because,
                judged_until=row.event.judged_until,
                synthetic_until=row.event.synthetic_until,
            )
            for row in rows
            if isinstance(row.event, e.Breached)
        ),
    }
    # The plan was safe when it was opened; rules that came later must not keep the release from being told.
    return Recording.model_validate(told, context=STORED)


def judged_by(recording: Recording, plan: RolloutPlan) -> Recording:
    """
    The same observations under another *plan*; what was found by the recorded one is left behind.

    Raises RecordingError when a phase that was watched is not in the plan.
    """
    names = [phase.name for phase in plan.phases]
    strange = [soak.phase for one in recording.watched for soak in one.soaks if soak.phase not in names]
    if strange:
        raise RecordingError(
            f"plan {plan.name!r} has no phase {', '.join(map(repr, strange))}, which the recording "
            f"watched; its phases are {', '.join(names)}"
        )
    # Buckets and how long the source needs are properties of what was recorded.
    telemetry = plan.telemetry.model_copy(update={"settle": recording.plan.telemetry.settle})
    fitted = plan.model_copy(update={"interval": recording.plan.interval, "telemetry": telemetry})
    return recording.model_copy(update={"plan": fitted, "verdicts": (), "breaches": ()})


def _soaks(state: ReleaseState, environment: Environment) -> Iterator[RecordedSoak]:
    for name, soak in state.soaks.items():
        if state.plan.phase(name).environment is environment:
            yield RecordedSoak(phase=name, since=soak.since, until=soak.until, extended=soak.extended)
