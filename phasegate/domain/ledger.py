"""
Replay: from the events of one release to where it is and what is known good.

A release's state is nothing but the fold of its events; two replays of the same
events are equal, and a run that died goes on from here.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from phasegate.domain import events as e
from phasegate.domain.chain import GENESIS, chain, first_break
from phasegate.domain.checklist import Result
from phasegate.domain.plan import STORED, Environment, Phase, RolloutPlan
from phasegate.domain.verdict import Reason, Verdict
from phasegate.domain.versions import LiveSplit, Version

__all__ = ["GENESIS", "ReleaseState", "SoakState", "chain", "first_break", "replay"]


class SoakState(BaseModel):
    """The soak of one phase: since when, until when, how often extended."""

    model_config = ConfigDict(frozen=True)

    since: datetime
    until: datetime
    extended: int = 0


class ReleaseState(BaseModel):
    """
    Where one release is. ``seq`` is the last event that went into it.

    ``drivers`` counts the runs that took it up since it last got further. ``known`` are
    the ids of the platform's deployments that the release began with, made or took over.
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
    gates_passed: tuple[str, ...] = ()
    holds_passed: tuple[str, ...] = ()
    breach: tuple[Reason, ...] = ()
    breached_at: datetime | None = None
    abort: e.AbortAsked | None = None
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
    watching_since: datetime | None = None
    roles: tuple[str, ...] = ()
    responses: int = 0
    accepted: dict[str, bool] = {}
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
    def why_abort(self) -> str:
        """The first reason for taking the release back, in words; empty while there is none."""
        if self.breach:
            return self.breach[0].text
        return f"{self.abort.by}: {self.abort.reason}" if self.abort else ""

    @property
    def canary(self) -> Version | None:
        """The candidate's version in production, once uploaded."""
        return self.uploaded.get(Environment.PRODUCTION)

    @property
    def current(self) -> Phase | None:
        """The phase that was begun and has not ended."""
        return self.plan.phase(self.phase) if self.phase and self.phase not in self.ended_phases else None

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


def replay(rows: Iterable[e.Recorded], state: ReleaseState | None = None) -> ReleaseState:
    """
    Fold *rows* into a state, going on from *state* when given.

    Raises ValueError when there is no state and the first row is not ``opened``.
    """
    for row in rows:
        state = _first(row) if state is None else _next(state, row)
    if state is None:
        raise ValueError("there are no events to replay")
    return state


def _first(row: e.Recorded) -> ReleaseState:
    if not isinstance(row.event, e.Opened):
        raise ValueError(f"a release begins with 'opened', not with {row.event.kind!r}")
    fields = {
        "release": row.release,
        "seq": row.seq,
        "at": row.at,
        "opened": row.event,
        "opened_at": row.at,
        "plan": row.event.plan,
        "known_good": row.event.known_good,
        "live": row.event.live,
        "known": (row.event.live.id,),
    }
    # The plan was safe when it was opened; rules that came later must not leave it unwatched.
    return ReleaseState.model_validate(fields, context=STORED)


def _next(state: ReleaseState, row: e.Recorded) -> ReleaseState:
    changes = _FOLD[row.event.kind](state, row) if row.event.kind in _FOLD else {}
    if row.event.kind in _PROGRESS:
        changes = {**changes, "drivers": 0, "stalled_since": None}
    return state.model_copy(update={**changes, "seq": row.seq, "at": row.at})


def _acted(state: ReleaseState, row: Any) -> dict[str, Any]:
    if row.event.worker != state.service:
        return {"staged": row.event.live, "pending": None}
    restored = state.aborting and row.event.live.split.weight(state.known_good.id) == 100
    done = {"restored_at": row.at} if restored and state.restored_at is None else {}
    since = state.watching_since or (row.at if row.event.intent else None)
    known = state.known if row.event.live.id in state.known else (*state.known, row.event.live.id)
    settled = {"pending": None, "drift": None, "settled": None, "refusal": None}
    return {
        **settled,
        **done,
        "live": row.event.live,
        "known": known,
        "acted_at": row.at,
        "watching_since": since,
    }


def _soaking(state: ReleaseState, row: Any) -> dict[str, Any]:
    soak = SoakState(since=row.event.since, until=row.event.until)
    return {"soaks": {**state.soaks, row.event.phase: soak}}


def _extended(state: ReleaseState, row: Any) -> dict[str, Any]:
    soak = state.soaks[row.event.phase]
    soak = soak.model_copy(update={"until": row.event.until, "extended": soak.extended + 1})
    return {"soaks": {**state.soaks, row.event.phase: soak}}


def _asked(state: ReleaseState, row: Any) -> dict[str, Any]:
    question = row.event
    return {
        "question": question,
        "answers": (),
        "asked": state.asked + 1,
        "responses": 0,
        "roles": question.roles,
    }


def _answered(state: ReleaseState, row: Any) -> dict[str, Any]:
    question, answers = state.question, (*state.answers, row.event)
    if question is None or row.event.key != question.key:
        return {}
    if row.event.choice is not e.Choice.APPROVE:
        return {"question": None, "answers": ()}
    if not set(question.roles) <= {answer.role for answer in answers}:
        return {"answers": answers, "responses": state.responses + 1}
    if question.way_back:
        return {"question": None, "answers": (), "way_back_accepted": True}
    passed = "holds_passed" if question.hold else "gates_passed"
    return {"question": None, "answers": (), passed: (*getattr(state, passed), question.phase)}


def _closed(state: ReleaseState, row: Any) -> dict[str, Any]:
    stands = state.question is not None and state.question.key == row.event.key
    return {"question": None, "answers": ()} if stands else {}


def _notice(state: ReleaseState, row: Any) -> dict[str, Any]:
    waiting = tuple((row.event.id, channel) for channel in row.event.channels)
    return {
        "notices": {**state.notices, row.event.id: row.event},
        "undelivered": (*state.undelivered, *waiting),
    }


def _delivered(state: ReleaseState, row: Any) -> dict[str, Any]:
    if not row.event.ok and not row.event.given_up:
        return {}
    done = (row.event.notice, row.event.channel)
    left = tuple(item for item in state.undelivered if item != done)
    return {
        "undelivered": left,
        "reached": (*state.reached, row.event.notice) if row.event.ok else state.reached,
    }


# After one of these a run got further than the one before it; ``drivers`` counts runs since the last.
_PROGRESS = frozenset(
    {
        *("phase-began", "uploaded", "checked", "loaded", "soaking", "extended", "acted", "decided"),
        *("asked", "answered", "phase-ended", "breached", "abort-asked", "verified", "recovered"),
    }
)
_FOLD: dict[str, Any] = {
    "driven": lambda s, r: {"run": r.event.run, "drivers": s.drivers + 1},
    "phase-began": lambda s, r: {"phase": r.event.phase, "verdict": None},
    "uploaded": lambda s, r: {"uploaded": {**s.uploaded, r.event.environment: r.event.version}},
    "intended": lambda s, r: {"pending": r.event},
    "acted": _acted,
    "dropped": lambda s, r: {"pending": None},
    "share-seen": lambda s, r: {"followed": (*s.followed, r.event.phase)} if r.event.followed else {},
    "checked": lambda s, r: {"checks": {**s.checks, r.event.phase: r.event.results}},
    "loaded": lambda s, r: {"loads": {**s.loads, r.event.phase: r.event.report}},
    "soaking": _soaking,
    "extended": _extended,
    "judged": lambda s, r: {"verdict": r.event.verdict},
    "asked": _asked,
    "answered": _answered,
    "answer-refused": lambda s, r: {"responses": s.responses + 1},
    "decided": lambda s, r: {
        "accepted": {**s.accepted, r.event.phase: r.event.decision.accepted_low_traffic}
    },
    "expired": _closed,
    "withdrawn": _closed,
    "breached": lambda s, r: {"breach": r.event.because, "breached_at": r.at},
    "abort-asked": lambda s, r: {"abort": r.event, "breached_at": s.breached_at or r.at},
    "phase-ended": lambda s, r: {"ended_phases": (*s.ended_phases, r.event.phase)},
    "known-good": lambda s, r: {"known_good": r.event.version},
    "drifted": lambda s, r: {"drift": r.event, "drifts": s.drifts + 1},
    "drift-settled": lambda s, r: {"settled": r.event},
    "examined": lambda s, r: {"examined": r.event},
    "restore-refused": lambda s, r: {"refusal": r.event, "refused_at": r.at},
    "cross-checked": lambda s, r: {"cross_checked": r.event},
    "verified": lambda s, r: {"verified": r.event},
    "recovered": lambda s, r: {"recovered": r.event},
    "notice": _notice,
    "delivered": _delivered,
    "stalled": lambda s, r: {"stalled_since": s.stalled_since or r.at},
    "ended": lambda s, r: {"ended": r.event, "question": None, "answers": ()},
}
