"""A release that cannot be read, or looked at, is a release that nobody watches: people are paged."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from phasegate.actions.outside import Outside
from phasegate.actions.telling import attempt, tell
from phasegate.domain.criteria import Level
from phasegate.domain.errors import LedgerBroken, PhasegateError, Superseded
from phasegate.domain.events import Delivered, Notice, Recorded
from phasegate.domain.ledger import ReleaseState

log = logging.getLogger("phasegate.keeper")
SENDING = timedelta(minutes=1)
AGAIN = timedelta(days=1)


async def page_unwatched(outside: Outside, release: str, trouble: Exception, *, overdue: bool) -> None:
    """
    Page people when *release* is not watched because looking at it fails with *trouble*.

    One that cannot be read: at once, every configured channel. One that can: when it is *overdue*,
    where its plan says. A ledger that is away is no such reason. Raises nothing.
    """
    try:
        fault = await _fault(outside, release)
        if fault is not None:
            await _page_unreadable(outside, release, fault)
        elif overdue:
            await _page_failing(outside, await outside.journal.state(release), trouble)
    except PhasegateError as away:
        log.warning("%s: nobody could be told: %s", release, away)
    except Exception:
        log.exception("%s: nobody could be told that it is not watched", release)


async def _fault(outside: Outside, release: str) -> Exception | None:
    """Why the release cannot be read; what only does not answer is no such reason."""
    try:
        await outside.journal.state(release)
    except LedgerBroken as fault:
        return fault
    except PhasegateError:
        raise
    except Exception as fault:
        return fault
    return None


async def _page_failing(outside: Outside, state: ReleaseState, trouble: Exception) -> None:
    release = state.release
    text = (
        f"{release} is active, and each look at it fails, so it is not watched and not taken back by itself: "
        f"{_words(trouble)}. It is tried again at every tick. Next: look at production now, bring "
        f"{state.known_good.label} back by hand if it does harm, and read the keeper's log."
    )
    await tell(
        outside,
        release,
        level=Level.CRITICAL,
        subject=f"{release} is not watched",
        text=text[:2000],
        once=f"unwatched/{type(trouble).__name__}/{state.phase}/{state.breached_at or ''}",
    )


async def _page_unreadable(outside: Outside, release: str, fault: Exception) -> None:
    """
    Tell every configured channel, once each.

    Its plan would say whom to tell, but cannot be read. Where rows can, the ledger has what was told as
    for any other notice; where they cannot, it has marks, so that no keeper pages again for a day.
    """
    notice = _notice(outside, release, fault)
    rows = await _rows(outside, release)
    if rows is not None and not any(
        isinstance(row.event, Notice) and row.event.id == notice.id for row in rows
    ):
        await _append(outside, release, notice)
    left = set(outside.channels) - _told(rows or (), notice)
    # Side by side: a channel that hangs must not keep the others from being told.
    outcomes = await asyncio.gather(
        *(_send(outside, release, notice, name, noted=rows is not None) for name in left),
        return_exceptions=True,
    )
    for trouble in outcomes:
        if isinstance(trouble, Exception):
            log.warning("%s: a channel was not told: %s", release, _words(trouble))


async def _rows(outside: Outside, release: str) -> tuple[Recorded, ...] | None:
    try:
        return await outside.journal.ledger.events(release)
    except LedgerBroken:
        return None


def _notice(outside: Outside, release: str, fault: Exception) -> Notice:
    text = (
        f"{release} is active and cannot be read, so it is not watched and not taken back by itself: "
        f"{_words(fault)}. Next: look at production now, bring the known-good version back by hand "
        "if it does harm, and run the phasegate that opened the release, or a newer one."
    )
    return Notice(
        id=hashlib.sha256(f"{release}/unreadable".encode()).hexdigest()[:16],
        level=Level.CRITICAL,
        channels=tuple(sorted(outside.channels)),
        subject=f"{release} cannot be read",
        text=text[:2000],
    )


def _words(fault: Exception) -> str:
    said = str(fault).strip().splitlines()
    return f"{type(fault).__name__}: {said[0] if said else 'no words'}"


def _told(rows: tuple[Recorded, ...], notice: Notice) -> set[str]:
    return {
        row.event.channel
        for row in rows
        if isinstance(row.event, Delivered)
        and row.event.notice == notice.id
        and (row.event.ok or row.event.given_up)
    }


async def _send(outside: Outside, release: str, notice: Notice, name: str, *, noted: bool) -> None:
    pauses, itself = outside.pauses, f"{name}/{notice.id}"
    if any(pauses.lasts(what, outside.clock.now()) for what in (name, itself)):
        return
    async with _marked(outside, f"{notice.id}/{name}") as free:
        if not free:
            return
        try:
            done = await attempt(outside, notice, name)
        except Exception:
            pauses.begin(itself, outside.clock.now())
            raise
    if not done.ok:
        log.error("%s: channel %r cannot be told: %s", release, name, done.detail)
    if noted:
        await _append(outside, release, done)


@asynccontextmanager
async def _marked(outside: Outside, key: str) -> AsyncIterator[bool]:
    """
    Whether nobody has sent *key* for a day, or does so now; it is marked as sent unless the block fails.

    The mark is a lease, because it can be read when the release's rows cannot.
    """
    ledger, clock, name = outside.journal.ledger, outside.clock, f"told/{key}"
    last, now = await ledger.lease(name), clock.now()
    if last is not None and now < last.expires_at <= now + AGAIN:
        yield False
        return
    try:
        mark = await ledger.take(name, holder=outside.journal.driver, ttl=SENDING, now=now)
    except Superseded:
        yield False
        return
    try:
        yield True
    except BaseException:
        await ledger.give_back(mark)
        raise
    await ledger.take(name, holder=outside.journal.driver, ttl=AGAIN, now=clock.now())


async def _append(outside: Outside, release: str, event: Notice | Delivered) -> None:
    journal = outside.journal
    await journal.ledger.append(release, event, by=journal.driver, at=journal.clock.now(), expected=None)
