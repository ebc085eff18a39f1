"""A database that is wrong, away or locked: one clear error that says what to do."""

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from phasegate.adapters.ledger_address import address
from phasegate.adapters.ledger_sql import SqlLedger
from phasegate.domain.errors import LedgerBroken, LedgerBusy, SettingsError
from tests.ledger_cases import T0, opened


async def failing(url, *, limit=0.3):
    """What ``ready`` raises on *url*."""
    ledger = SqlLedger(url, limit=limit)
    try:
        await ledger.ready()
    finally:
        await ledger.close()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ".phasegate/ledger.db"),
        ("some/ledger.db", "some/ledger.db"),
        ("sqlite:////var/lib/ledger.db", "/var/lib/ledger.db"),
        ("sqlite+aiosqlite:///ledger.db", "ledger.db"),
        ("postgresql://ada:s3cret@db:5432/rates", "postgresql://ada@db:5432/rates"),
        ("postgres://ada:s3cret@db/rates?sslmode=require&password=s3cret", "postgresql://ada@db/rates"),
    ],
)
def test_an_address_is_shown_without_its_password(text, shown):
    """
    Messages end up in logs and chats.
    """
    assert address(text).name == shown


def test_the_sslmode_of_a_hosted_database_reaches_the_driver():
    """
    The driver knows the same values under another name, and fails on this one.
    """
    url = address("postgresql://ada@db/rates?sslmode=require").url

    assert url.drivername == "postgresql+asyncpg"
    assert dict(url.query) == {"ssl": "require"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (":memory:", "must survive a restart"),
        ("sqlite://", "must survive a restart"),
        ("mysql://root:s3cret@db/rates", "cannot be kept in 'mysql'"),
        ("nonsense://s3cret", "cannot be kept in 'nonsense'"),
        ("postgresql://ada:s3cret@db:notaport/rates", "not a database URL"),
        ("postgresql://ada:s3cret@db", "names no database"),
    ],
)
def test_an_address_that_is_no_ledger_is_refused_with_what_is_allowed(text, says):
    """
    The message repeats nothing that may hold a password.
    """
    with pytest.raises(SettingsError, match=says) as caught:
        SqlLedger(text)

    assert "allowed: " in str(caught.value)
    assert "s3cret" not in str(caught.value)


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    """
    A typing mistake must not destroy somebody's file.
    """
    file = tmp_path / "notes.txt"
    file.write_text("shopping list\n" * 100)

    with pytest.raises(SettingsError, match=r"notes\.txt is not a ledger: file is not a database"):
        await failing(str(file))

    assert file.read_text() == "shopping list\n" * 100


async def test_a_directory_is_refused(tmp_path):
    """
    The message names the path.
    """
    with pytest.raises(SettingsError, match="cannot be opened"):
        await failing(str(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be created"):
        await failing(str(tmp_path / "file" / "ledger.db"))


async def test_a_ledger_of_a_newer_phasegate_is_refused(ledger, ledger_url, run_sql):
    """
    An old program must not write what a newer one cannot read.
    """
    run_sql("UPDATE ledger_schema SET version = 99")

    with pytest.raises(SettingsError, match="has schema 99, this phasegate knows schema 1"):
        await failing(ledger_url, limit=5)


async def test_a_locked_database_is_busy_after_the_limit_and_usable_afterwards(ledger_file):
    """
    Every wait has a limit; trying again is right.
    """
    ledger = SqlLedger(str(ledger_file), limit=0.3)
    await ledger.ready()
    with closing(sqlite3.connect(ledger_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        async with asyncio.timeout(5):
            with pytest.raises(
                LedgerBusy, match=r"ledger\.db was locked by another process for more than 0\.3 s"
            ):
                await ledger.open("r1", opened(), by="ada", at=T0)
            assert await ledger.events("r1") == ()

    await ledger.open("r1", opened(), by="ada", at=T0)
    await ledger.close()


async def test_a_locked_row_in_postgres_is_busy_after_the_limit(postgres):
    """
    A session that hangs in a transaction does not hang every driver.
    """
    url = postgres.database()
    ledger = SqlLedger(url, limit=0.5)
    other = SqlLedger(url)
    await ledger.ready()
    await ledger.open("r1", opened(), by="ada", at=T0)
    async with other._writer.begin() as db:
        await db.exec_driver_sql("LOCK TABLE ledger_releases IN ACCESS EXCLUSIVE MODE")

        async with asyncio.timeout(5):
            with pytest.raises(LedgerBusy):
                await ledger.releases()

    assert len(await ledger.releases()) == 1
    await ledger.close()
    await other.close()


async def test_a_postgres_that_is_away_is_busy_and_its_password_is_not_shown():
    """
    An outside system that does not answer is waited for.
    """
    with pytest.raises(LedgerBusy, match="does not answer") as caught:
        await failing("postgresql://ada:s3cret@127.0.0.1:1/rates")

    assert "s3cret" not in str(caught.value)
    assert "ada@127.0.0.1:1/rates" in str(caught.value)


async def test_a_database_that_is_not_there_is_a_setting_to_fix(postgres):
    """
    Waiting does not create it.
    """
    url = postgres.database()

    with pytest.raises(SettingsError, match="does not exist"):
        await failing(url + "x", limit=5)
    with pytest.raises(SettingsError, match="does not exist"):
        await failing(url.replace("postgres@", "nobody@"), limit=5)


async def test_a_connection_that_died_is_replaced(postgres):
    """
    The database is restarted for an update while a release soaks.
    """
    url = postgres.database()
    ledger = SqlLedger(url)
    await ledger.ready()
    await ledger.open("r1", opened(), by="ada", at=T0)
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'phasegate'"
    postgres.run(kill, database=url)

    assert len(await ledger.events("r1")) == 1
    await ledger.close()


async def test_a_row_that_cannot_be_read_is_named(ledger_file):
    """
    Somebody took the guards away and wrote nonsense; nothing may be decided on it.
    """
    ledger = SqlLedger(str(ledger_file))
    await ledger.ready()
    await ledger.open("r1", opened(), by="ada", at=T0)
    with closing(sqlite3.connect(ledger_file, isolation_level=None)) as other:
        other.execute("DROP TRIGGER ledger_events_update")
        other.execute("""UPDATE ledger_events SET event = '{"kind": "bribed"}'""")

    with pytest.raises(LedgerBroken, match="row 1 of release 'r1' is no event that this phasegate knows"):
        await ledger.events("r1")
    await ledger.close()


def test_a_process_that_forgot_to_close_the_ledger_still_ends(ledger_file):
    """
    A flow that died half way must not leave a process behind.
    """
    program = (
        "import asyncio, sys\n"
        "from phasegate.adapters.ledger_sql import SqlLedger\n"
        "async def main():\n"
        "    ledger = SqlLedger(sys.argv[1])\n"
        "    await ledger.ready()\n"
        "    await ledger.releases()\n"
        "asyncio.run(main())\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, str(ledger_file)], timeout=30, check=False, capture_output=True
    )

    assert ended.returncode == 0, ended.stderr
