"""
Replay: from the events of one release to where it is and what is known good.

A release's state is nothing but the fold of its events; two replays of the same
events are equal, and a run that died goes on from here.
"""

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from phasegate.domain import database
from phasegate.domain import events as e
from phasegate.domain.chain import GENESIS, chain, first_break
from phasegate.domain.plan import STORED, RolloutPlan
from phasegate.domain.state import ReleaseState, SoakState

__all__ = ["GENESIS", "ReleaseState", "SoakState", "chain", "first_break", "replay"]


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
        "plan": _plan(json.dumps(row.event.plan)),
        "known_good": row.event.known_good,
        "live": row.event.live,
        "known": (row.event.live.id,),
    }
    return ReleaseState.model_validate(fields, context=STORED)


@lru_cache(maxsize=64)
def _plan(text: str) -> RolloutPlan:
    """Every replay begins with it, and to check it takes longer than all the rest."""
    # The plan was safe when it was opened; rules that came later must not leave it unwatched.
    return RolloutPlan.model_validate(json.loads(text), context=STORED)


def _next(state: ReleaseState, row: e.Recorded) -> ReleaseState:
    changes = _FOLD[row.event.kind](state, row) if row.event.kind in _FOLD else {}
    if state.rejected and row.event.kind in _GOES_ON:
        changes = {**changes, "abort": None, "breached_at": None, "rejected": False}
    if row.event.kind in _PROGRESS:
        changes = {**changes, "drivers": 0, "stalled_since": None}
    return state.model_copy(update={**changes, "seq": row.seq, "at": row.at})


def _driven(state: ReleaseState, row: Any) -> dict[str, Any]:
    run = row.event.run
    runs = state.runs if run in state.runs else (*state.runs, run)
    return {"run": run, "runs": runs, "drivers": state.drivers + 1}


def _acted(state: ReleaseState, row: Any) -> dict[str, Any]:
    if row.event.worker != state.service:
        return {"staged": row.event.live, "pending": None}
    live = row.event.live
    restored = state.aborting and live.split.weight(state.known_good.id) == 100
    done = {"restored_at": row.at} if restored and state.restored_at is None else {}
    since = state.watching_since or (row.at if row.event.intent else None)
    known = state.known if live.id in state.known else (*state.known, live.id)
    cleared = {"pending": None, "drift": None, "settled": None, "refusal": None}
    seen = {"live": live, "known": known, "acted_at": row.at, "watching_since": since}
    return {**cleared, **done, **seen}


def _database(state: ReleaseState, row: Any) -> dict[str, Any]:
    known = state.databases.get(row.event.environment)
    found = database.folded(known, row.event, row.at)
    return {"databases": {**state.databases, row.event.environment: found}}


def _soaking(state: ReleaseState, row: Any) -> dict[str, Any]:
    soak = SoakState(since=row.event.since, until=row.event.until)
    # What the phase before was found to be, up to this moment, says nothing of this one.
    return {"soaks": {**state.soaks, row.event.phase: soak}, "verdict": None}


def _extended(state: ReleaseState, row: Any) -> dict[str, Any]:
    soak = state.soaks[row.event.phase]
    soak = soak.model_copy(update={"until": row.event.until, "extended": soak.extended + 1})
    return {"soaks": {**state.soaks, row.event.phase: soak}, "more_time": None}


def _asked(state: ReleaseState, row: Any) -> dict[str, Any]:
    question = row.event
    return {
        "more_time": None,
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
        return {"question": None, "answers": (), **_turned_down(state, row, phase=question.phase)}
    if not set(question.roles) <= {answer.role for answer in answers}:
        return {"answers": answers, "responses": state.responses + 1}
    if question.way_back:
        return {"question": None, "answers": (), "way_back_accepted": True}
    passed = "holds_passed" if question.hold else "gates_passed"
    return {"question": None, "answers": (), passed: (*getattr(state, passed), question.phase)}


def _turned_down(state: ReleaseState, row: Any, *, phase: str) -> dict[str, Any]:
    """A rejection calls the release off in the event that notes it: no crash can come in between."""
    given = row.event
    if given.choice is e.Choice.EXTEND:
        return {"more_time": (phase, given)} if phase in state.soaks else {}
    if state.aborting:
        return {}
    abort = e.AbortAsked(by=f"{given.approver} ({given.role})", reason=given.reason or "rejected")
    return {"abort": abort, "breached_at": row.at, "rejected": True}


def _abort_asked(state: ReleaseState, row: Any) -> dict[str, Any]:
    """Older ledgers have a rejection's call-off in an event of its own: that one's time stands."""
    since = None if state.rejected and not state.breach else state.breached_at
    return {"abort": row.event, "breached_at": since or row.at, "rejected": False}


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


def _ended(state: ReleaseState, row: Any) -> dict[str, Any]:
    left = state.settled if row.event.outcome is e.Outcome.ABANDONED else None
    return {"ended": row.event, "question": None, "answers": (), **({"live": left.found} if left else {})}


# After one of these a run got further than the one before it; ``drivers`` counts runs since the last.
_PROGRESS = frozenset(
    {
        *("phase-began", "uploaded", "checked", "loaded", "soaking", "extended", "acted", "decided"),
        *("asked", "answered", "phase-ended", "breached", "abort-asked", "verified", "recovered"),
        *("migrations-planned", "migrating", "migrated"),
    }
)
# Never written of a release that is called off. After a rejection they say that its call-off, in older
# ledgers an event of its own, got lost, and that the release went on.
_GOES_ON = frozenset({"asked", "decided", "phase-ended"})
_FOLD: dict[str, Any] = {
    "driven": _driven,
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
    **dict.fromkeys(("expired", "withdrawn"), _closed),
    "breached": lambda s, r: {"breach": r.event.because, "breached_at": r.at},
    "abort-asked": _abort_asked,
    "phase-ended": lambda s, r: {"ended_phases": (*s.ended_phases, r.event.phase)},
    "known-good": lambda s, r: {"known_good": r.event.version},
    "drifted": lambda s, r: {"drift": r.event, "drifts": s.drifts + 1},
    "drift-settled": lambda s, r: {"settled": r.event},
    "examined": lambda s, r: {"examined": r.event},
    "restore-refused": lambda s, r: {"refusal": r.event, "refused_at": r.at},
    "cross-checked": lambda s, r: {"cross_checked": r.event},
    "synthetic-sending": lambda s, r: {"synthetic": r.event},
    "synthetic-checked": lambda s, r: {"synthetic_checked": r.event},
    **dict.fromkeys(database.KINDS, _database),
    "verified": lambda s, r: {"verified": r.event},
    "recovered": lambda s, r: {"recovered": r.event},
    "notice": _notice,
    "delivered": _delivered,
    "stalled": lambda s, r: {"stalled_since": s.stalled_since or r.at},
    "ended": _ended,
}
