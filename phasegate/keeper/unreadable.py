"""A release that cannot be read is a release that nobody watches: people are paged without its plan."""

import hashlib
import logging

from phasegate.actions.outside import Outside
from phasegate.domain.criteria import Level
from phasegate.domain.errors import Away, PhasegateError
from phasegate.domain.events import Delivered, Notice, Recorded

log = logging.getLogger("phasegate.keeper")


async def page_unreadable(outside: Outside, release: str) -> None:
    """
    Tell every configured channel, once each, when *release* cannot be read and so is not watched.

    Its plan would say whom to tell, but cannot be read; rows can. What was told is in the
    ledger as for any other notice, so another keeper does not page again.
    """
    if (fault := await _fault(outside, release)) is None:
        return
    try:
        rows = await outside.journal.ledger.events(release)
        notice = _notice(outside, release, fault)
        if not any(isinstance(row.event, Notice) and row.event.id == notice.id for row in rows):
            await _append(outside, release, notice)
        for name in set(outside.channels) - _told(rows, notice):
            await _send(outside, release, notice, name)
    except PhasegateError as away:
        log.warning("%s: nobody could be told: %s", release, away)


async def _fault(outside: Outside, release: str) -> Exception | None:
    """Why the release cannot be read; what only does not answer is no such reason."""
    try:
        await outside.journal.state(release)
    except PhasegateError:
        return None
    except Exception as fault:
        return fault
    return None


def _notice(outside: Outside, release: str, fault: Exception) -> Notice:
    said = str(fault).strip().splitlines()
    text = (
        f"{release} is active and cannot be read, so it is not watched and not taken back by itself: "
        f"{type(fault).__name__}: {said[0] if said else 'no words'}. Next: look at production now, bring the "
        "known-good version back by hand if it does harm, and run the phasegate that opened the release."
    )
    return Notice(
        id=hashlib.sha256(f"{release}/unreadable".encode()).hexdigest()[:16],
        level=Level.CRITICAL,
        channels=tuple(sorted(outside.channels)),
        subject=f"{release} cannot be read",
        text=text[:2000],
    )


def _told(rows: tuple[Recorded, ...], notice: Notice) -> set[str]:
    return {
        row.event.channel
        for row in rows
        if isinstance(row.event, Delivered)
        and row.event.notice == notice.id
        and (row.event.ok or row.event.given_up)
    }


async def _send(outside: Outside, release: str, notice: Notice, name: str) -> None:
    try:
        detail = await outside.channels[name].send(notice, key=f"{notice.id}/{name}")
        done = Delivered(notice=notice.id, channel=name, ok=True, detail=detail)
    except Away as away:
        log.warning("%s: %s", release, away)
        return
    except PhasegateError as refusal:
        done = Delivered(notice=notice.id, channel=name, ok=False, given_up=True, detail=str(refusal))
    await _append(outside, release, done)


async def _append(outside: Outside, release: str, event: Notice | Delivered) -> None:
    journal = outside.journal
    await journal.ledger.append(release, event, by=journal.driver, at=journal.clock.now(), expected=None)
