"""
Every change of traffic, by whomever: intent, read, refuse drift, write, read back, note.

The lease makes sure that one driver acts; its fencing number goes into the same
transaction as the intent, so a driver that wakes up late cannot write another one.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from phasegate.actions.outside import Outside
from phasegate.domain.errors import Away, CallAPerson, Drift, Refused, Superseded
from phasegate.domain.events import Acted, Drifted, Dropped, Intended, Noted
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.versions import LiveSplit, Split
from phasegate.ports import Lease

# A killed driver is waited for this long before another may act: it bounds how long a breach lasts
# when the keeper that saw it dies. A living driver prolongs it every third of it, however slow the platform.
LEASE = timedelta(seconds=6)
PATIENCE = timedelta(seconds=60)


async def shift(
    outside: Outside, release: str, split: Split, *, because: str, raising: str = ""
) -> ReleaseState:
    """
    Bring the production split to *split* and note it.

    *raising* names the phase for which the candidate gains traffic, if it does: then a
    release that is being taken back is Refused, and one in another phase Superseded.
    Raises Drift when somebody else deployed, and what the
    target raises; an intent never stays open without being resolved by reading.
    """
    state = await outside.journal.state(release)
    async with _right_to_act(outside, release) as lease:
        return await _shift(outside, state, split, because=because, raising=raising, lease=lease)


async def foreign(outside: Outside, release: str) -> LiveSplit | None:
    """
    The live split when it is neither the ledger's nor one that is being written; else None.

    Reads only. Raises Drift when the Worker is gone, TargetAway.
    """
    before = await outside.journal.state(release)
    live = await _read(outside, before)
    state = await outside.journal.state(release)
    if (state.live, state.pending) != (before.live, before.pending):
        return None
    known = (state.live.split, *((state.pending.split,) if state.pending else ()))
    return None if any(live.split.same_traffic(split) for split in known) else live


async def refuse_foreign(outside: Outside, release: str) -> ReleaseState:
    """Note a split that somebody else deployed and raise Drift; note as well when it is over."""
    live = await foreign(outside, release)
    if live is None:
        return await outside.journal.record(release, _drift_over)
    state = await outside.journal.record(release, lambda s: _drifted(s, live))
    raise Drift(_drift_words(state, live))


def _drift_over(state: ReleaseState) -> Acted | None:
    if state.drift is None or state.pending is not None:
        return None
    return Acted(intent="", worker=state.service, live=state.live)


@asynccontextmanager
async def _right_to_act(outside: Outside, release: str) -> AsyncIterator[Lease]:
    lease = await _lease(outside, release)
    keeping = asyncio.create_task(_keep(outside, lease))
    try:
        yield lease
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await outside.journal.ledger.give_back(lease)


async def _keep(outside: Outside, lease: Lease) -> None:
    """A platform may take longer to write than a lease lasts; nobody else may write meanwhile."""
    while True:
        await outside.clock.sleep(LEASE / 3)
        now = outside.clock.now()
        try:
            await outside.journal.ledger.take(lease.release, holder=lease.holder, ttl=LEASE, now=now)
        except Superseded:
            return
        except Away:
            continue


async def _lease(outside: Outside, release: str) -> Lease:
    deadline = outside.clock.now() + PATIENCE
    while True:
        now = outside.clock.now()
        holder = f"{outside.journal.driver}/{uuid.uuid4().hex[:8]}"
        try:
            return await outside.journal.ledger.take(release, holder=holder, ttl=LEASE, now=now)
        except Superseded:
            if now >= deadline:
                raise
        await outside.clock.sleep(timedelta(milliseconds=200))


async def _shift(
    outside: Outside, state: ReleaseState, split: Split, *, because: str, raising: str, lease: Lease
) -> ReleaseState:
    live = await _read(outside, state)
    state = await _resolve(outside, state.release, live, fence=lease.fence)
    if live.split.same_traffic(split) and state.live.split.same_traffic(split):
        return await _note_equal(outside, state, live, fence=lease.fence)
    if not (live.split.same_traffic(state.live.split) or live.split.same_traffic(split)):
        await outside.journal.record(state.release, lambda s: _drifted(s, live))
        if raising or not _still_ours(state, live):
            raise Drift(_drift_words(state, live))
    intent = Intended(
        id=uuid.uuid4().hex,
        worker=state.service,
        split=split,
        was=live.id,
        because=because,
        fence=lease.fence,
    )
    await outside.journal.record(
        state.release,
        lambda s: _intend(s, intent, raising=raising, now=outside.clock.now()),
        fence=lease.fence,
    )
    return await _write(outside, state, intent)


async def _read(outside: Outside, state: ReleaseState) -> LiveSplit:
    live = await outside.target.live(state.service)
    if live is None:
        raise Drift(f"the Worker {state.service!r} does not exist any more; somebody deleted it")
    return live


async def _resolve(outside: Outside, release: str, live: LiveSplit, *, fence: int) -> ReleaseState:
    def decide(state: ReleaseState) -> Acted | Dropped | None:
        if state.pending is None:
            return None
        if live.split.same_traffic(state.pending.split):
            return Acted(intent=state.pending.id, worker=state.pending.worker, live=live)
        return Dropped(intent=state.pending.id, why="read back after an interruption: it did not take effect")

    return await outside.journal.record(release, decide, fence=fence)


async def _note_equal(outside: Outside, state: ReleaseState, live: LiveSplit, *, fence: int) -> ReleaseState:
    def decide(now: ReleaseState) -> Acted | None:
        settled = now.restored_at is not None or not now.aborting
        if now.live.id == live.id and settled:
            return None
        return Acted(intent="", worker=now.service, live=live)

    return await outside.journal.record(state.release, decide, fence=fence)


def _intend(state: ReleaseState, intent: Intended, *, raising: str, now: datetime) -> Intended:
    if raising:
        raisable(state, raising, now=now)
    if state.ended is not None:
        raise Refused(f"{state.release} has ended ({state.ended.outcome})")
    return intent


def raisable(state: ReleaseState, phase: str, *, now: datetime) -> None:
    """
    Refuse to give the candidate the traffic of *phase* unless the release is in it.

    Raises Refused for one that is taken back or over, Superseded for one frozen or in another phase.
    """
    if state.aborting:
        raise Refused(f"{state.release} is being taken back ({state.why_abort}); its traffic is not raised")
    if state.ended is not None:
        raise Refused(f"{state.release} has ended ({state.ended.outcome})")
    if freeze := state.frozen(now):
        raise Superseded(f"{state.release} is frozen until {freeze[0]:%Y-%m-%d %H:%M %Z}: {freeze[1]}")
    if state.current is None or state.current.name != phase:
        raise Superseded(f"{state.release} is not in phase {phase!r} any more: another driver went on")


async def _write(outside: Outside, state: ReleaseState, intent: Intended) -> ReleaseState:
    message = f"phasegate {state.release}: {intent.because}"
    try:
        live = await outside.target.set_split(state.service, intent.split, message=message, was=intent.was)
    except (Away, CallAPerson) as failure:
        return await _after_failure(outside, state, intent, failure)
    acted = Acted(intent=intent.id, worker=intent.worker, live=live)
    state = await outside.journal.record(state.release, lambda s: _once(s, acted))
    return state if state.live.id == live.id else await _put_right(outside, state, live)


async def _put_right(outside: Outside, state: ReleaseState, live: LiveSplit) -> ReleaseState:
    """
    This driver slept between its intent and its write, and others went on meanwhile.

    While the release is active its keeper sees the late write. Nobody watches one that
    has ended, so the driver itself brings back the version that the release ended with.
    """
    if state.ended is None:
        raise Superseded(
            f"{state.release}: another driver went on while {outside.journal.driver} was writing"
        )
    whole = Split.whole(state.known_good.id)
    if not live.split.same_traffic(whole):
        message = f"phasegate {state.release}: a late write is undone"
        await outside.target.set_split(state.service, whole, message=message, was=live.id)
        noted = Noted(text=f"{outside.journal.driver} woke up after the end and wrote; that was undone")
        await outside.journal.record(state.release, lambda s: noted)
    return state


async def _after_failure(
    outside: Outside, state: ReleaseState, intent: Intended, failure: Exception
) -> ReleaseState:
    """The effect is unknown: leave the intent open if the platform cannot be read, else settle it."""
    live = await outside.target.live(state.service)
    if live is None or not live.split.same_traffic(intent.split):
        why = f"{type(failure).__name__}: {failure}"
        await outside.journal.record(state.release, lambda s: _drop(s, intent, why))
        raise failure
    acted = Acted(intent=intent.id, worker=intent.worker, live=live)
    return await outside.journal.record(state.release, lambda s: _once(s, acted))


def _once(state: ReleaseState, acted: Acted) -> Acted | None:
    return acted if state.pending is not None and state.pending.id == acted.intent else None


def _drop(state: ReleaseState, intent: Intended, why: str) -> Dropped | None:
    ours = state.pending is not None and state.pending.id == intent.id
    return Dropped(intent=intent.id, why=why) if ours else None


def _still_ours(state: ReleaseState, live: LiveSplit) -> bool:
    """Whether a foreign split still sends traffic to the candidate: then taking it back is right."""
    return state.canary is not None and live.split.weight(state.canary.id) > 0


def _drifted(state: ReleaseState, live: LiveSplit) -> Drifted | None:
    known = state.drift is not None and state.drift.found.id == live.id
    return None if known else Drifted(expected=state.live.split, found=live)


def _drift_words(state: ReleaseState, live: LiveSplit) -> str:
    return (
        f"somebody else deployed {state.service}: expected {words(state.live.split)}, "
        f"found {words(live.split)} ({live.message or 'no message'}); nothing was changed. "
        f"The release waits for a person: bring back what was expected and it goes on, or call it off "
        f"(phasegate abort) and bring back {state.known_good.label} to end it"
    )


def words(split: Split) -> str:
    """A split in words: ``1a2b3c4d 90 % + 5e6f7a8b 10 %``."""
    return " + ".join(f"{share.version[:8]} {share.weight:g} %" for share in split.shares)
