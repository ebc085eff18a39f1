"""Where one release is: what the fold of its events amounts to."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from phasegate.domain import database
from phasegate.domain import events as e
from phasegate.domain.checklist import Result
from phasegate.domain.freeze import frozen
from phasegate.domain.plan import Environment, Phase, RolloutPlan
from phasegate.domain.verdict import Reason, Verdict
from phasegate.domain.versions import LiveSplit, Version


class SoakState(BaseModel):
    """The soak of one phase: since when, until when, how often extended."""

    model_config = ConfigDict(frozen=True)

    since: datetime
    until: datetime
    extended: int = 0


class ReleaseState(BaseModel):
    """
    Where one release is. ``seq`` is the last event that went into it.

    ``run`` drives it, ``runs`` are all that ever did; ``drivers`` counts those that took it up
    since it last got further. ``known`` are
    the ids of the platform's deployments that the release began with, made or took over.
    ``rejected``: an answer alone has called it off. ``more_time`` is the phase and the answer
    that asked for a longer soak, until that is given.
    """

    model_config = ConfigDict(frozen=True)

    release: str
    seq: int
    at: datetime
    opened: e.Opened
    opened_at: datetime
    plan: RolloutPlan
    known_good: Version
    live: LiveSplit
    run: str = ""
    runs: tuple[str, ...] = ()
    drivers: int = 0
    phase: str = ""
    ended_phases: tuple[str, ...] = ()
    uploaded: dict[Environment, Version] = {}
    staged: LiveSplit | None = None
    pending: e.Intended | None = None
    soaks: dict[str, SoakState] = {}
    followed: tuple[str, ...] = ()
    checks: dict[str, tuple[Result, ...]] = {}
    loads: dict[str, dict[str, Any]] = {}
    verdict: Verdict | None = None
    question: e.Asked | None = None
    answers: tuple[e.Answered, ...] = ()
    asked: int = 0
    more_time: tuple[str, e.Answered] | None = None
    gates_passed: tuple[str, ...] = ()
    holds_passed: tuple[str, ...] = ()
    breach: tuple[Reason, ...] = ()
    breached_at: datetime | None = None
    abort: e.AbortAsked | None = None
    rejected: bool = False
    restored_at: datetime | None = None
    verified: e.Verified | None = None
    recovered: e.Recovered | None = None
    known: tuple[str, ...] = ()
    acted_at: datetime | None = None
    drift: e.Drifted | None = None
    drifts: int = 0
    settled: e.DriftSettled | None = None
    examined: e.Examined | None = None
    way_back_accepted: bool = False
    refusal: e.RestoreRefused | None = None
    refused_at: datetime | None = None
    cross_checked: e.CrossChecked | None = None
    synthetic: e.SyntheticSending | None = None
    synthetic_checked: e.SyntheticChecked | None = None
    watching_since: datetime | None = None
    roles: tuple[str, ...] = ()
    responses: int = 0
    accepted: dict[str, bool] = {}
    databases: dict[Environment, database.DatabaseState] = {}
    notices: dict[str, e.Notice] = {}
    undelivered: tuple[tuple[str, str], ...] = ()
    reached: tuple[str, ...] = ()
    stalled_since: datetime | None = None
    ended: e.Ended | None = None

    @property
    def service(self) -> str:
        """The Worker that is released."""
        return self.opened.service

    @property
    def aborting(self) -> bool:
        """Whether the release is to be, or was, taken back. Nothing may raise traffic then."""
        return bool(self.breach) or self.abort is not None

    @property
    def retractable(self) -> bool:
        """Whether harm still takes it back: not called off yet, not over, and not known good itself."""
        return not (self.aborting or self.ended is not None or self.promoted)

    @property
    def why_abort(self) -> str:
        """The first reason for taking the release back, in words; empty while there is none."""
        if self.breach:
            return self.breach[0].text
        return f"{self.abort.by}: {self.abort.reason}" if self.abort else ""

    @property
    def canary(self) -> Version | None:
        """The candidate's version in production, once uploaded."""
        return self.uploaded.get(Environment.PRODUCTION)

    def frozen(self, now: datetime) -> tuple[datetime, str] | None:
        """Until when the plan forbids to raise traffic, and why; None also when the glass was broken."""
        return None if self.opened.break_glass else frozen(self.plan.freezes, now)

    @property
    def promoted(self) -> bool:
        """Whether the candidate has become known good: only the end is left, nothing to go back to."""
        return self.canary is not None and self.known_good == self.canary

    @property
    def current(self) -> Phase | None:
        """The phase that was begun and has not ended."""
        return self.plan.phase(self.phase) if self.phase and self.phase not in self.ended_phases else None

    @property
    def watched(self) -> Phase | None:
        """
        The phase by whose rules the candidate is judged now; None while nothing of it is to be judged.

        Between two phases that is the one whose soak began last: its weight stays live until
        the next one's soak begins, however long that takes.
        """
        if (current := self.current) is not None and current.name in self.soaks:
            return current
        if self.promoted or not self.exposed:
            return None
        phases = (self.plan.phase(name) for name in reversed(self.soaks))
        return next((phase for phase in phases if phase.environment is Environment.PRODUCTION), None)

    @property
    def left(self) -> tuple[Phase, ...]:
        """The phases that have not ended yet, in order."""
        return tuple(phase for phase in self.plan.phases if phase.name not in self.ended_phases)

    @property
    def was_exposed(self) -> bool:
        """Whether production traffic was ever moved, or may have been: then recovery is worth watching."""
        return self.watching_since is not None or self.exposed

    @property
    def exposed(self) -> bool:
        """Whether the candidate takes production traffic, or might after a pending write."""
        if self.canary is None:
            return False
        splits = [self.live.split] + ([self.pending.split] if self.pending else [])
        return any(split.weight(self.canary.id) > 0 for split in splits)
