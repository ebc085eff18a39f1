"""A caller that is cancelled in the middle of a write leaves the ledger to everybody else."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from phasegate.adapters.ledger_sql import SqlLedger
from tests.ledger_cases import T0

LEASE = timedelta(seconds=6)
MOMENTS = [0.0003 * number for number in range(25)]


async def test_a_write_that_is_cancelled_at_any_moment_locks_nobody_out(ledger: SqlLedger, ledger_url: str):
    """
    A transaction that nobody ends keeps SQLite's lock: no keeper could write any more, on any host.
    """
    other = SqlLedger(ledger_url, limit=1.0)
    try:
        for moment in MOMENTS:
            taking = asyncio.create_task(ledger.take("r1", holder="gone", ttl=LEASE, now=T0))
            await asyncio.sleep(moment)
            taking.cancel()
            with suppress(asyncio.CancelledError):
                await taking

            await other.beat("keeper", at=T0)
    finally:
        await other.close()
