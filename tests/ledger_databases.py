"""Fixtures: a ready ledger on SQLite and on Postgres, and raw SQL past it."""

import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path

import pytest

from phasegate.adapters.ledger_sql import SqlLedger


@pytest.fixture
def ledger_file(tmp_path: Path) -> Path:
    """Where a SQLite ledger would be."""
    return tmp_path / "ledger.db"


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_url(request: pytest.FixtureRequest, ledger_file: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return str(ledger_file)
    return str(request.getfixturevalue("postgres").database())


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[SqlLedger]:
    """A ready ledger."""
    found = SqlLedger(ledger_url)
    await found.ready()
    yield found
    await found.close()


@pytest.fixture
def run_sql(request: pytest.FixtureRequest, ledger_url: str) -> Callable[[str], bool]:
    """Runs SQL as the database's owner, past phasegate; says whether the database refused."""

    def on_sqlite(sql: str) -> bool:
        with closing(sqlite3.connect(ledger_url, isolation_level=None)) as connection:
            connection.execute("PRAGMA foreign_keys=ON")
            try:
                connection.execute(sql)
            except sqlite3.IntegrityError:
                return True
        return False

    def on_postgres(sql: str) -> bool:
        try:
            request.getfixturevalue("postgres").run(sql, database=ledger_url)
        except subprocess.CalledProcessError:
            return True
        return False

    return on_postgres if "://" in ledger_url else on_sqlite


@asynccontextmanager
async def _ledger_of(url: str) -> AsyncIterator[SqlLedger]:
    found = SqlLedger(url)
    await found.ready()
    try:
        yield found
    finally:
        await found.close()


@pytest.fixture
def ledger_of() -> Callable[[str], AbstractAsyncContextManager[SqlLedger]]:
    """Opens the ledger at a URL for the length of a block."""
    return _ledger_of
