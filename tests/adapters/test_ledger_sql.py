"""The ledger on both databases: one test body, run on SQLite and on Postgres."""

import asyncio
import sqlite3
from datetime import timedelta, timezone

import pytest

from phasegate.adapters.ledger_sql import SqlLedger
from phasegate.domain import events as e
from phasegate.domain.errors import Refused, Superseded
from phasegate.domain.ledger import first_break, replay
from tests.ledger_cases import MINUTE, SERVICE, T0, good_release, opened, rolled_back_release

pytestmark = pytest.mark.patient


async def fill(ledger, events, *, release="r1"):
    """Open *release* with the first event and append the others."""
    rows = [await ledger.open(release, events[0], by="ada", at=T0)]
    for seq, event in enumerate(events[1:], start=1):
        rows.append(await ledger.append(release, event, by="keeper", at=T0 + MINUTE * seq, expected=seq))
    return tuple(rows)


@pytest.mark.parametrize("events", [good_release(), rolled_back_release()], ids=["good", "rolled back"])
async def test_what_was_written_is_read_back_and_its_chain_holds(ledger, events):
    """
    Hashes are computed before writing and checked after reading: nothing may differ by a microsecond.
    """
    written = await fill(ledger, events)

    read = await ledger.events("r1")

    assert read == written
    assert first_break(read) == ""
    assert replay(read) == replay(written)
    assert await ledger.events("r1", after=len(events) - 2) == written[-2:]


async def test_a_time_in_another_zone_is_kept_as_the_same_instant_in_utc(ledger):
    """
    People compare times of several machines.
    """
    await ledger.open("r1", opened(), by="ada", at=T0)
    elsewhere = T0.astimezone(timezone(timedelta(hours=5, minutes=30)))

    await ledger.append("r1", e.Noted(text="x"), by="ada", at=elsewhere, expected=1)

    rows = await ledger.events("r1")
    assert rows[1].at == T0
    assert rows[1].at.utcoffset() == timedelta(0)
    assert first_break(rows) == ""


async def test_a_time_without_a_zone_is_refused(ledger):
    """
    Nobody could say when it was.
    """
    with pytest.raises(ValueError, match="no time zone"):
        await ledger.open("r1", opened(), by="ada", at=T0.replace(tzinfo=None))


async def test_values_that_json_cannot_keep_do_not_break_the_chain(ledger):
    """
    The hash is of what will be read, not of what was meant.
    """
    await ledger.open("r1", opened(), by="ada", at=T0)
    report = {"conclusive": True, "p99": float("nan"), "at": T0, "text": "ü\u2028\u0000", "pair": (1, 2)}
    event = e.Loaded.model_construct(phase="staging", report=report)

    row = await ledger.append("r1", event, by="ada", at=T0, expected=1)

    rows = await ledger.events("r1")
    assert rows[1] == row
    assert first_break(rows) == ""


async def test_opening_the_same_release_again_returns_what_is_there(ledger):
    """
    A flow that died after opening runs from the top.
    """
    first = await ledger.open("r1", opened(), by="ada", at=T0)

    again = await ledger.open("r1", opened(), by="ada", at=T0 + MINUTE)

    assert again == first
    assert len(await ledger.events("r1")) == 1


async def test_opening_an_id_again_for_something_else_is_refused(ledger):
    """
    An id names one execution of one plan.
    """
    await ledger.open("r1", opened(), by="ada", at=T0)

    with pytest.raises(
        Refused, match=r"'r1' was opened at 2026-02-17 03:00:00 UTC with another reason; give"
    ):
        await ledger.open("r1", opened(reason="other"), by="ada", at=T0)


async def test_a_second_release_of_a_service_is_refused_and_told_what_to_do(ledger):
    """
    Two releases of one service would undo each other.
    """
    await ledger.open("r1", opened(), by="ada", at=T0)

    with pytest.raises(Refused, match=r"'spring-rate-api' is being released by 'r1'; wait .* abort r1`"):
        await ledger.open("r2", opened(), by="bob", at=T0)

    assert await ledger.events("r2") == ()
    await ledger.open("r3", opened(service="other"), by="bob", at=T0)


async def test_the_end_of_a_release_frees_its_service(ledger):
    """
    The row that says so and the event are one transaction.
    """
    await fill(ledger, good_release())

    await ledger.open("r2", opened(), by="bob", at=T0 + timedelta(days=2))

    assert [(row.release, row.active) for row in await ledger.releases()] == [("r2", True), ("r1", False)]
    assert [row.release for row in await ledger.releases(active=True)] == ["r2"]
    assert [row.release for row in await ledger.releases(active=False, service=SERVICE)] == ["r1"]
    assert await ledger.releases(service="other") == ()
    assert list(await ledger.endings()) == ["r1"]


async def test_of_many_openings_of_a_service_at_once_one_wins(ledger, ledger_url):
    """
    Checking first and writing later would let two through.
    """
    others = [SqlLedger(ledger_url) for _ in range(3)]
    try:
        tries = [
            one.open(f"r{number}", opened(), by="ada", at=T0)
            for number, one in enumerate((ledger, *others, ledger, *others))
        ]
        results = await asyncio.gather(*tries, return_exceptions=True)
    finally:
        for other in others:
            await other.close()

    assert sorted(type(result).__name__ for result in results) == ["Recorded"] + ["ServiceTaken"] * 7
    assert len(await ledger.releases(active=True)) == 1


async def test_an_event_decided_on_an_old_state_is_refused(ledger):
    """
    A breach that the keeper wrote makes a promotion decided before it impossible.
    """
    await ledger.open("r1", opened(), by="ada", at=T0)
    await ledger.append("r1", e.AbortAsked(by="ada", reason="no"), by="ada", at=T0, expected=1)

    with pytest.raises(Superseded, match="has 2 events, not 1"):
        await ledger.append("r1", e.PhaseEnded(phase="canary"), by="flow", at=T0, expected=1)

    assert len(await ledger.events("r1")) == 2
    await ledger.append("r1", e.Noted(text="any state"), by="flow", at=T0, expected=None)


async def test_an_unknown_release_takes_no_events_and_the_nearest_names_are_said(ledger):
    """
    A typing mistake must not begin a second history.
    """
    await ledger.open("2026-02-17-rates", opened(), by="ada", at=T0)

    with pytest.raises(Refused, match="'2026-02-17-rate' is not in the ledger; nearest: 2026-02-17-rates"):
        await ledger.append("2026-02-17-rate", e.Noted(text="x"), by="ada", at=T0, expected=None)
    with pytest.raises(ValueError, match=r"opened with open\(\)"):
        await ledger.append("2026-02-17-rates", opened(), by="ada", at=T0, expected=None)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE ledger_events SET by = 'mallory'",
        "DELETE FROM ledger_events",
        "INSERT INTO ledger_events SELECT * FROM ledger_events",
        "DELETE FROM ledger_releases",
    ],
)
async def test_the_database_itself_refuses_to_change_history(ledger, run_sql, sql):
    """
    Append-only is no habit of this program but a rule of the database.
    """
    written = await fill(ledger, good_release())

    refused = run_sql(sql)

    assert refused
    assert await ledger.events("r1") == written


async def test_sqlite_refuses_to_replace_an_event(ledger_file):
    """
    INSERT OR REPLACE deletes rows without asking the delete trigger.
    """
    ledger = SqlLedger(str(ledger_file))
    await ledger.ready()
    written = await fill(ledger, good_release())
    with sqlite3.connect(ledger_file) as connection, pytest.raises(sqlite3.IntegrityError, match="replaced"):
        connection.execute("INSERT OR REPLACE INTO ledger_events SELECT * FROM ledger_events WHERE seq = 3")
    connection.close()

    assert await ledger.events("r1") == written
    await ledger.close()


async def test_sqlite_keeps_its_promises_on_every_connection(ledger_file):
    """
    A row that was acknowledged survives a power cut.
    """
    ledger = SqlLedger(str(ledger_file))
    await ledger.ready()
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")

    async with ledger._writer.connect() as db:
        found = [(await db.exec_driver_sql(f"PRAGMA {name}")).scalar() for name in pragmas]

    assert found == ["wal", 2, 1, 10000]
    await ledger.close()


async def test_ready_may_be_called_again_and_creates_directories(tmp_path):
    """
    Every process calls it when it starts.
    """
    ledger = SqlLedger(str(tmp_path / "a" / "b" / "ledger.db"))

    assert not await ledger.present()
    await ledger.ready()
    await ledger.ready()

    assert await ledger.present()
    await ledger.close()
