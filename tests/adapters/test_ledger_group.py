"""Writes that share a transaction: each caller still gets its own result, durably, or its own error."""

import asyncio
from contextlib import suppress
from datetime import datetime

import pytest

from phasegate.adapters.ledger_group import MOST
from phasegate.adapters.ledger_sql import SqlLedger
from phasegate.domain.errors import Refused
from tests.adapters.test_ledger_observations import a_minute, a_probe
from tests.ledger_cases import T0, opened

MANY = 2 * MOST + 5


async def test_many_writes_at_once_are_all_stored_and_counted(ledger: SqlLedger):
    """
    Hundreds of releases end an interval in the same second.
    """
    names = [f"r{number}" for number in range(MANY)]
    for name in names:
        await ledger.open(name, opened(service=name), by="ada", at=T0)

    counts = await asyncio.gather(
        *(ledger.add_minutes(name, "rates", [a_minute(0), a_minute(1)]) for name in names),
        *(ledger.add_probe(name, a_probe(1)) for name in names),
    )

    assert counts == [2] * MANY + [None] * MANY
    assert [await ledger.minutes(name, "rates") for name in names] == [(a_minute(0), a_minute(1))] * MANY
    assert [await ledger.probes(name) for name in names] == [(a_probe(1),)] * MANY


async def test_one_that_is_refused_does_not_take_the_others_with_it(ledger: SqlLedger):
    """
    A release that is not there, or a time without a zone, is one caller's fault.
    """
    await ledger.open("r1", opened(), by="ada", at=T0)
    zoneless = a_probe(3).model_copy(update={"at": datetime(2026, 2, 17, 3, 0, 0)})

    done = await asyncio.gather(
        ledger.add_probe("r1", a_probe(1)),
        ledger.add_minutes("no-such", "rates", [a_minute(0)]),
        ledger.add_probe("r1", zoneless),
        ledger.add_minutes("r1", "rates", [a_minute(0)]),
        return_exceptions=True,
    )

    assert done[0] is None
    assert isinstance(done[1], Refused)
    assert isinstance(done[2], ValueError)
    assert done[3] == 1
    assert await ledger.probes("r1") == (a_probe(1),)
    assert await ledger.minutes("r1", "rates") == (a_minute(0),)


async def test_a_caller_that_is_cancelled_leaves_the_group_to_the_others(ledger: SqlLedger):
    """
    A keeper drops a look that takes too long; the looks beside it go on.
    """
    await ledger.open("r1", opened(), by="ada", at=T0)
    writes = [asyncio.create_task(ledger.add_probe("r1", a_probe(second))) for second in range(20)]
    await asyncio.sleep(0)
    writes[3].cancel()
    with suppress(asyncio.CancelledError):
        await writes[3]
    await asyncio.gather(*(write for write in writes if write is not writes[3]))

    assert len(await ledger.probes("r1")) >= 19


async def test_closing_waits_for_what_was_given(ledger: SqlLedger, ledger_url: str):
    """
    What was seen must not be lost because the program ends a moment later.
    """
    await ledger.open("r1", opened(), by="ada", at=T0)
    other = SqlLedger(ledger_url)
    writes = [asyncio.create_task(other.add_probe("r1", a_probe(second))) for second in range(10)]
    await asyncio.sleep(0)
    await other.close()
    await asyncio.gather(*writes)

    assert len(await ledger.probes("r1")) == 10


async def test_two_processes_that_store_the_same_do_not_lock_each_other_out(
    ledger: SqlLedger, ledger_url: str
):
    """
    Two keepers see the same intervals; they meet them in different orders.
    """
    names = [f"r{number}" for number in range(30)]
    for name in names:
        await ledger.open(name, opened(service=name), by="ada", at=T0)
    other = SqlLedger(ledger_url)
    try:
        counts = await asyncio.gather(
            *(ledger.add_minutes(name, "rates", [a_minute(0)]) for name in names),
            *(other.add_minutes(name, "rates", [a_minute(0)]) for name in reversed(names)),
        )
    finally:
        await other.close()

    assert sum(counts) == len(names)


@pytest.mark.parametrize("alone", [True, False])
async def test_a_ledger_that_is_away_is_told_to_every_caller(tmp_path, alone: bool):
    """
    A keeper that never hears of its failed write would wait for ever.
    """
    ledger = SqlLedger(str(tmp_path / "ledger.db"))
    await ledger.ready()
    await ledger.open("r1", opened(), by="ada", at=T0)
    held, holder = asyncio.Event(), SqlLedger(str(tmp_path / "ledger.db"))
    short = SqlLedger(str(tmp_path / "ledger.db"), limit=0.2)
    release = asyncio.Event()

    async def hold(_db):
        held.set()
        await release.wait()

    holding = asyncio.create_task(holder._write(hold))
    await held.wait()
    writes = [short.add_probe("r1", a_probe(second)) for second in range(1 if alone else 5)]
    told = await asyncio.gather(*writes, return_exceptions=True)
    release.set()
    await holding
    for each in (ledger, holder, short):
        await each.close()

    assert {type(error).__name__ for error in told} == {"LedgerBusy"}
