"""
Every change of traffic, by whomever: intent, read, refuse drift, write, read back, note.

The lease makes sure that one driver acts; its fencing number goes into the same
transaction as the intent, so a driver that wakes up late cannot write another one.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from phasegate.actions.outside import Outside
from phasegate.actions.raising import raisable
from phasegate.actions.telling import tell
from phasegate.domain.criteria import Level
from phasegate.domain.errors import Away, CallAPerson, Drift, Refused, Superseded, TargetAway
from phasegate.domain.events import Acted, Drifted, Dropped, Intended, Noted
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.listing import Lease
from phasegate.domain.production import Seen, compare, is_old, mark, still_ours
from phasegate.domain.versions import LiveSplit, Split
from phasegate.urgency import taking_back

# A killed driver is waited for this long before another may act: it bounds how long a breach lasts
# when the keeper that saw it dies. A living driver prolongs it every third of it, however slow the platform.
LEASE = timedelta(seconds=6)
PATIENCE = timedelta(seconds=60)
BEHIND = timedelta(seconds=15)


@dataclass(frozen=True)
class Change:
    """
    A split that is wanted, and why.

    *raising* names the phase for which the candidate gains traffic, if it does (ANY when an
    expected split is put back): then a release that is being taken back is Refused, one that is
    frozen or in another phase Superseded. *over* is the id of the one foreign deployment that was
    decided to be replaced. *force* brings a version back although secrets changed since it was live.
    """

    split: Split
    because: str
    raising: str
    over: str = ""
    force: bool = False


async def shift(outside: Outside, release: str, change: Change) -> ReleaseState:
    """
    Bring the production split to the one of *change* and note it.

    Raises Drift when somebody else deployed, and what the target raises; an intent
    never stays open without being resolved by reading.
    """
    state = await outside.journal.state(release)
    async with _right_to_act(outside, release) as lease:
        with taking_back(not change.raising):
            return await _shift(outside, state, change, lease=lease)


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


async def _shift(outside: Outside, state: ReleaseState, change: Change, *, lease: Lease) -> ReleaseState:
    live = await _newest(outside, state, patient=bool(change.raising))
    state = await _resolve(outside, state.release, live, fence=lease.fence)
    # A candidate that is to be reached at 0 % has to be listed; to take one back, its traffic counts.
    same = change.split.same_listing if change.raising else change.split.same_traffic
    if same(live.split) and same(state.live.split):
        return await _note_equal(outside, state, live, fence=lease.fence)
    await _refuse_foreign(outside, state, live, change)
    intent = Intended(
        id=uuid.uuid4().hex,
        worker=state.service,
        split=change.split,
        was=live.id,
        because=change.because,
        fence=lease.fence,
    )
    await outside.journal.record(
        state.release,
        lambda s: _intend(s, intent, raising=change.raising, now=outside.clock.now()),
        fence=lease.fence,
    )
    return await _write(outside, state, intent, force=change.force)


async def _refuse_foreign(outside: Outside, state: ReleaseState, live: LiveSplit, change: Change) -> None:
    wanted = live.split.same_traffic(change.split) or live.id == change.over
    if wanted or compare(state, live, now=outside.clock.now()) is not Seen.FOREIGN:
        return
    await outside.journal.record(state.release, lambda s: drifted(s, live))
    if change.raising or not still_ours(state, live):
        raise Drift(drift_words(state, live))


async def read_live(outside: Outside, state: ReleaseState) -> LiveSplit:
    """The live split of the released service. Raises Drift when the Worker is gone, TargetAway."""
    live = await outside.target.live(state.service)
    if live is None:
        raise Drift(f"the Worker {state.service!r} does not exist any more; somebody deleted it")
    return live


async def _newest(outside: Outside, state: ReleaseState, *, patient: bool) -> LiveSplit:
    """
    The live split, where a reading that lags behind the ledger's own last write does not count.

    Only who is *patient* waits for a better one: taking back must not wait for it.
    """
    deadline = outside.clock.now() + BEHIND
    while True:
        live = await read_live(outside, state)
        if compare(state, live, now=outside.clock.now()) is not Seen.BEHIND:
            return live
        if not patient:
            return state.live
        if outside.clock.now() >= deadline:
            raise TargetAway(f"{state.service}: the platform still shows deployment {live.id}, an older one")
        await outside.clock.sleep(timedelta(milliseconds=500))


async def _resolve(outside: Outside, release: str, live: LiveSplit, *, fence: int) -> ReleaseState:
    def decide(state: ReleaseState) -> Acted | Dropped | None:
        if state.pending is None:
            return None
        if live.split.same_listing(state.pending.split) and not is_old(state, live):
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


async def _write(outside: Outside, state: ReleaseState, intent: Intended, *, force: bool) -> ReleaseState:
    message = f"{mark(state)}{intent.because}"
    try:
        live = await outside.target.set_split(
            state.service, intent.split, message=message, was=intent.was, force=force
        )
    except (Away, CallAPerson) as failure:
        return await _after_failure(outside, state, intent, failure)
    acted = Acted(intent=intent.id, worker=intent.worker, live=live)
    state = await outside.journal.record(state.release, lambda s: _once(s, acted))
    if state.live.id != live.id:
        return await _put_right(outside, state, live)
    if live.before not in ("", intent.was, *state.known):
        await _tell_overwritten(outside, state, live)
    return state


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
        message = f"{mark(state)}a late write is undone"
        await outside.target.set_split(state.service, whole, message=message, was=live.id)
        noted = Noted(text=f"{outside.journal.driver} woke up after the end and wrote; that was undone")
        await outside.journal.record(state.release, lambda s: noted)
    return state


async def _tell_overwritten(outside: Outside, state: ReleaseState, live: LiveSplit) -> None:
    """The platform has no conditional write: whoever deployed between reading and writing hears of it."""
    text = (
        f"Somebody deployed {live.before} to {state.service} in the moment before {words(live.split)} was "
        f"written ({live.message}), and that replaced it. Next: ask who it was; look whether it is needed."
    )
    subject = f"{state.release}: a foreign deployment was overwritten"
    once = f"overwritten/{live.before}"
    await tell(outside, state.release, level=Level.CRITICAL, subject=subject, text=text, once=once)


async def _after_failure(
    outside: Outside, state: ReleaseState, intent: Intended, failure: Exception
) -> ReleaseState:
    """The effect is unknown: leave the intent open if the platform cannot be read, else settle it."""
    live = await outside.target.live(state.service)
    if live is None or not live.split.same_listing(intent.split) or is_old(state, live):
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


def drifted(state: ReleaseState, live: LiveSplit) -> Drifted | None:
    """What is noted of a foreign split; None when it is known already."""
    known = state.drift is not None and state.drift.found.id == live.id
    return None if known else Drifted(expected=state.live.split, found=live)


def drift_words(state: ReleaseState, live: LiveSplit) -> str:
    """What was found, and what a person can do about it."""
    back = f"{state.known_good.label} at 100 %" if state.aborting else words(state.live.split)
    return (
        f"somebody else deployed {state.service}: expected {words(state.live.split)}, "
        f"found {words(live.split)} ({live.message or 'no message'}); nothing was changed. "
        f"The release waits for a person. Next: phasegate drift accept {state.release} leaves what was "
        f"found and ends the release; phasegate drift restore {state.release} brings back {back}"
    )


def words(split: Split) -> str:
    """A split in words: ``1a2b3c4d 90 % + 5e6f7a8b 10 %``."""
    return " + ".join(f"{share.version[:8]} {share.weight:g} %" for share in split.shares)
