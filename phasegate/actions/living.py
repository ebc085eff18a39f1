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

EVERY = timedelta(seconds=5)
# Six signs, each of which may wait for a busy ledger. Replacing a run that lives costs a start, no more.
SILENT = timedelta(seconds=30)


@asynccontextmanager
async def living(outside: Outside, run: str) -> AsyncIterator[None]:
    """
    Give a sign of life for the length of the block.

    A run that ends or suspends itself says so by taking it back: what stays behind is that of a killed one.
    """
    await _sign(outside, run)
    signs = asyncio.create_task(_go_on(outside, run))
    try:
        yield
    finally:
        signs.cancel()
        await asyncio.wait([signs])
        with suppress(LedgerBusy):
            if (last := await outside.journal.ledger.lease(_name(run))) is not None:
                await outside.journal.ledger.give_back(last)


async def _go_on(outside: Outside, run: str) -> None:
    while True:
        await outside.clock.sleep(EVERY)
        await _sign(outside, run)


async def _sign(outside: Outside, run: str) -> None:
    with suppress(LedgerBusy, Superseded):
        await outside.journal.ledger.take(_name(run), holder=run, ttl=SILENT, now=outside.clock.now())


async def silent(outside: Outside, run: str) -> bool:
    """Whether *run* gave signs of life and then, without a word, none for too long. Raises LedgerBusy."""
    last = await outside.journal.ledger.lease(_name(run))
    return last is not None and last.expires_at <= outside.clock.now()


def _name(run: str) -> str:
    """Among the leases of releases; no release is called so."""
    return f"run/{run}"
