"""
A run's own sign of life, in the ledger.

The orchestrator believes for ever in a process that died with its host.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from phasegate.actions.outside import Outside
from phasegate.domain.errors import LedgerBusy, Superseded

# Each sign may wait for a busy ledger. Replacing a run that lives costs a start, no more.
SIGNS = 6


@asynccontextmanager
async def living(outside: Outside, run: str, *, limit: timedelta) -> AsyncIterator[None]:
    """
    Give signs of life for the length of the block; without one for *limit* the run counts as dead.

    A run that ends or suspends itself says so by taking it back: what stays behind is that of a killed one.
    """
    await _sign(outside, run, limit)
    signs = asyncio.create_task(_go_on(outside, run, limit))
    try:
        yield
    finally:
        signs.cancel()
        await asyncio.wait([signs])
        with suppress(LedgerBusy):
            if (last := await outside.journal.ledger.lease(_name(run))) is not None:
                await outside.journal.ledger.give_back(last)


async def _go_on(outside: Outside, run: str, limit: timedelta) -> None:
    while True:
        await outside.clock.sleep(limit / SIGNS)
        await _sign(outside, run, limit)


async def _sign(outside: Outside, run: str, limit: timedelta) -> None:
    with suppress(LedgerBusy, Superseded):
        await outside.journal.ledger.take(_name(run), holder=run, ttl=limit, now=outside.clock.now())


async def silent(outside: Outside, run: str) -> bool:
    """Whether *run* gave signs of life and then, without a word, none for too long. Raises LedgerBusy."""
    last = await outside.journal.ledger.lease(_name(run))
    return last is not None and last.expires_at <= outside.clock.now()


def _name(run: str) -> str:
    """Among the leases of releases; no release is called so."""
    return f"run/{run}"
