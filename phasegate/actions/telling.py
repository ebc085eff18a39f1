"""The outbox: a notice is stored with what caused it and delivered until each channel has it."""

import asyncio
import hashlib
import logging

from phasegate.actions.outside import Outside
from phasegate.domain.criteria import Level
from phasegate.domain.errors import Away, ChannelAway, FixTheInput
from phasegate.domain.events import Delivered, Notice
from phasegate.domain.ledger import ReleaseState
from phasegate.ports import Channel

log = logging.getLogger("phasegate.telling")
# A channel's own limits are for each part of an answer; one that trickles has none.
LIMIT = 15.0


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
    Try every undelivered notice once, the channels side by side; each attempt's result is in the ledger.

    See `deliver_to` for what becomes of each.
    """
    state = await outside.journal.state(release)
    names = dict.fromkeys(name for _, name in state.undelivered)
    outcomes = await asyncio.gather(
        *(deliver_to(outside, release, name) for name in names), return_exceptions=True
    )
    for outcome in outcomes:
        if outcome is not None:
            raise outcome
    return await outside.journal.state(release)


async def deliver_to(outside: Outside, release: str, name: str) -> None:
    """
    Give the channel *name* what it has not got yet, in order, until it is away.

    A channel that is away is left alone for a while and tried again by a later call; so is a
    notice that meets a defect. One that refuses, or is not configured, is noted as failed for
    good, because repeating cannot help.
    """
    state = await outside.journal.state(release)
    for ident in [ident for ident, channel in state.undelivered if channel == name]:
        now, itself = outside.clock.now(), f"{name}/{ident}"
        if outside.pauses.lasts(name, now):
            return
        if outside.pauses.lasts(itself, now):
            continue
        try:
            event = await attempt(outside, state.notices[ident], name)
        except Away as away:
            log.warning("%s: %s", release, away)
            return
        except Exception:
            # A defect that one notice meets must not keep back the page behind it.
            log.exception("%s: %r could not be told to %r; it is tried again", release, ident, name)
            outside.pauses.begin(itself, outside.clock.now())
            continue
        await outside.journal.record(release, lambda s, e=event: _new(s, e))  # type: ignore[misc]


async def attempt(outside: Outside, notice: Notice, name: str) -> Delivered:
    """
    Send *notice* to the channel *name* once, for a quarter of a minute at most.

    Raises Away, and then the channel's pause has begun.
    """
    channel = outside.channels.get(name)
    if channel is None:
        detail = f"channel {name!r} is not configured (PHASEGATE_CHANNELS); nobody was told this way"
        return Delivered(notice=notice.id, channel=name, ok=False, given_up=True, detail=detail)
    try:
        detail = await _sent(channel, notice, name)
    except Away as away:
        wanted = away.after if isinstance(away, ChannelAway) else None
        outside.pauses.begin(name, outside.clock.now(), after=wanted)
        raise
    except FixTheInput as refusal:
        return Delivered(notice=notice.id, channel=name, ok=False, given_up=True, detail=str(refusal))
    outside.pauses.end(name)
    return Delivered(notice=notice.id, channel=name, ok=True, detail=detail)


async def _sent(channel: Channel, notice: Notice, name: str) -> str:
    try:
        async with asyncio.timeout(LIMIT):
            return await channel.send(notice, key=f"{notice.id}/{name}")
    except TimeoutError:
        raise ChannelAway(f"channel {name!r} did not answer within {LIMIT:g} s") from None


def _new(state: ReleaseState, event: Delivered) -> Delivered | None:
    return event if (event.notice, event.channel) in state.undelivered else None
