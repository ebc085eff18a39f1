"""A statement that failed in SQLite is given back by the thread in which it failed, not by the event loop."""

import sqlite3
import sys
from collections.abc import Iterable
from typing import Any

import aiosqlite

FIXED_IN = (3, 12)


def close_failed_cursors() -> None:
    """
    Have aiosqlite close a cursor whose statement failed in its connection's thread, in all of this process.

    Python 3.11 keeps a failed statement in its cursor until the cursor is collected, wherever that happens.
    On the event loop's thread it then waits for the connection's mutex; and when that connection waits for
    SQLite's write lock, whose holder needs the event loop to commit, nothing moves until the wait for the
    lock runs out: a minute in Prefect's server. Python 3.12 gives the statement back at once, so nothing is
    done there. Calling it twice changes nothing.
    """
    if sys.version_info < FIXED_IN:
        aiosqlite.Cursor.execute = _execute  # type: ignore[method-assign]
        aiosqlite.Cursor.executemany = _executemany  # type: ignore[method-assign]


async def _execute(
    self: aiosqlite.Cursor, sql: str, parameters: Iterable[Any] | None = None
) -> aiosqlite.Cursor:
    await self._conn._execute(_run, self._cursor, "execute", sql, [] if parameters is None else parameters)  # type: ignore[no-untyped-call]
    return self


async def _executemany(
    self: aiosqlite.Cursor, sql: str, parameters: Iterable[Iterable[Any]]
) -> aiosqlite.Cursor:
    await self._conn._execute(_run, self._cursor, "executemany", sql, parameters)  # type: ignore[no-untyped-call]
    return self


def _run(cursor: sqlite3.Cursor, method: str, *arguments: Any) -> None:
    try:
        getattr(cursor, method)(*arguments)
    except BaseException:
        cursor.close()
        raise
