"""The outbox: a notice is stored with what caused it and delivered until each channel has it."""

import hashlib
import logging

from phasegate.actions.outside import Outside
from phasegate.domain.criteria import Level
from phasegate.domain.errors import Away, FixTheInput
from phasegate.domain.events import Delivered, Notice
from phasegate.domain.ledger import ReleaseState

log = logging.getLogger("phasegate.telling")


async def tell(
    outside: Outside,
    release: str,
    *,
    level: Level,
    subject: str,
    text: str,
    once: str,
    also: tuple[str, ...] = (),
) -> ReleaseState:
    """
    Put a notice into the outbox; *once* names its cause, so that telling twice stores it once.

    It goes to the plan's channels for *level*, and to those in *also*.
    """
    ident = notice_id(release, once)

    def decide(state: ReleaseState) -> Notice | None:
        if ident in state.notices:
            return None
        channels = tuple(dict.fromkeys((*state.plan.channels.get(level, ()), *also)))
        return Notice(id=ident, level=level, channels=channels, subject=subject, text=text)

    return await outside.journal.record(release, decide)


def notice_id(release: str, once: str) -> str:
    """The id of the notice that tells of *once*."""
    return hashlib.sha256(f"{release}/{once}".encode()).hexdigest()[:16]


async def deliver(outside: Outside, release: str) -> ReleaseState:
    """
    Try every undelivered notice once; each attempt's result is in the ledger.

    A channel that is away is tried again by the next call, and so is a notice that meets a
    defect; one that refuses, or is not configured, is noted as failed for good, because
    repeating cannot help.
    """
    state = await outside.journal.state(release)
    for ident, name in state.undelivered:
        notice = state.notices[ident]
        event = await _send(outside, notice, name)
        if event is not None:
            await outside.journal.record(release, lambda s, e=event: _new(s, e))  # type: ignore[misc]
    return await outside.journal.state(release)


async def _send(outside: Outside, notice: Notice, name: str) -> Delivered | None:
    channel = outside.channels.get(name)
    if channel is None:
        detail = f"channel {name!r} is not configured (PHASEGATE_CHANNELS); nobody was told this way"
        return Delivered(notice=notice.id, channel=name, ok=False, given_up=True, detail=detail)
    try:
        detail = await channel.send(notice, key=f"{notice.id}/{name}")
    except Away:
        return None
    except FixTheInput as refusal:
        return Delivered(notice=notice.id, channel=name, ok=False, given_up=True, detail=str(refusal))
    except Exception:
        # A defect that one notice meets must not keep back the page behind it.
        log.exception("%r cannot be told to channel %r; it is tried again", notice.subject, name)
        return None
    return Delivered(notice=notice.id, channel=name, ok=True, detail=detail)


def _new(state: ReleaseState, event: Delivered) -> Delivered | None:
    return event if (event.notice, event.channel) in state.undelivered else None
