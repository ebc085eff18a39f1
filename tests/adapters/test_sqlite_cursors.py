"""A failed statement, collected while its connection waits for the lock, must not stop the event loop."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiosqlite
import pytest

from examples.demo.stage import GUARDED
from phasegate.adapters.sqlite_cursors import FIXED_IN, close_failed_cursors

pytestmark = pytest.mark.patient

PROGRAM = Path(__file__).with_name("failed_cursor.py")
AFFECTED = sys.version_info < FIXED_IN


def told(*arguments: object, **env: str) -> str:
    """What a program says; Python's own environment and *env*."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("method", ["execute", "executemany"])
def test_who_waits_for_the_lock_gets_it(tmp_path: Path, method: str) -> None:
    assert told(PROGRAM, tmp_path / "one.db", "guarded", method) == "inserted"


@pytest.mark.parametrize("method", ["execute", "executemany"])
def test_unguarded_it_waits_in_vain_where_python_is_old(tmp_path: Path, method: str) -> None:
    expected = "database is locked" if AFFECTED else "inserted"
    assert told(PROGRAM, tmp_path / "one.db", "plain", method) == expected


@pytest.fixture
def put_back() -> Iterator[None]:
    kept = aiosqlite.Cursor.execute, aiosqlite.Cursor.executemany
    yield
    aiosqlite.Cursor.execute, aiosqlite.Cursor.executemany = kept


async def test_statements_work_as_before(tmp_path: Path, put_back: None) -> None:
    close_failed_cursors()
    async with aiosqlite.connect(tmp_path / "one.db") as connection:
        await connection.execute("CREATE TABLE t (x)")
        cursor = await connection.cursor()
        assert await cursor.executemany("INSERT INTO t VALUES (?)", [(1,), (2,)]) is cursor
        assert await cursor.execute("SELECT x FROM t WHERE x > ?", (1,)) is cursor
        assert await cursor.fetchall() == [(2,)]


def test_prefects_server_is_guarded(tmp_path: Path) -> None:
    looks = "import prefect, aiosqlite; print(aiosqlite.Cursor.execute.__module__)"
    ours = "phasegate.adapters.sqlite_cursors" if AFFECTED else "aiosqlite.cursor"
    home = {"PREFECT_HOME": str(tmp_path), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    assert told("-c", looks, **home, **GUARDED) == ours
    assert told("-c", looks, **home) == "aiosqlite.cursor"
