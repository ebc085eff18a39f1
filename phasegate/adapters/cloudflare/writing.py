"""One intent, one effective write: every change is read for before it is sent and after an unclear answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from phasegate.adapters.cloudflare.client import backoff
from phasegate.adapters.cloudflare.envelope import Ambiguous, NotActed
from phasegate.domain.errors import TargetAway, Unconfirmed

T = TypeVar("T")
Reading = Callable[[], Awaitable[T | None]]
Sending = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Patience:
    """
    How long one intent is pursued, in seconds.

    ``doubt``: how long the effect may take to show after an unclear answer, before a
    reading without it counts as proof that nothing happened. ``confirm``: the same
    after a clear one. ``total``: after this long no further write is begun.
    """

    doubt: float = 3.0
    confirm: float = 10.0
    total: float = 20.0


async def bring_about(read: Reading[T], send: Sending, *, patience: Patience, what: str) -> T:
    """
    Send until *read* shows the effect; *read* gives None while it has not happened.

    Each sending follows a reading that proves the effect absent. Raises what the two
    raise, TargetAway when the platform turned every attempt away, and Unconfirmed
    when something was sent and no reading tells what became of it.
    """
    end = time.monotonic() + patience.total
    pauses = backoff()
    sent = False
    while True:
        if (effect := await _read(read, what=what, sent=sent)) is not None:
            return effect
        try:
            await send()
            return await _confirmed(read, patience=patience, what=what)
        except NotActed as failure:
            wait = max(failure.after or 0.0, next(pauses))
            last = failure.args[0]
        except Ambiguous as failure:
            sent, wait, last = True, next(pauses), failure.args[0]
            if (effect := await _appearing(read, limit=patience.doubt, what=what)) is not None:
                return effect
        if time.monotonic() + wait >= end:
            raise TargetAway(f"{what} was not done: {last}")
        await asyncio.sleep(wait)


async def _confirmed(read: Reading[T], *, patience: Patience, what: str) -> T:
    effect = await _appearing(read, limit=patience.confirm, what=what)
    if effect is None:
        raise Unconfirmed(f"{what} was accepted, but {patience.confirm:g} s later it could not be read back")
    return effect


async def _appearing(read: Reading[T], *, limit: float, what: str) -> T | None:
    end = time.monotonic() + limit
    for pause in backoff():
        effect = await _read(read, what=what, sent=True)
        if effect is not None or time.monotonic() >= end:
            return effect
        await asyncio.sleep(min(pause, max(end - time.monotonic(), 0.0)))
    return None


async def _read(read: Reading[T], *, what: str, sent: bool) -> T | None:
    try:
        return await read()
    except TargetAway as away:
        if not sent:
            raise
        raise Unconfirmed(f"{what} was sent, but what became of it could not be read: {away}") from away
