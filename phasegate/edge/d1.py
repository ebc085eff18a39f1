"""
One D1 database: a SQLite file, its transactions, and the way back.

Every request is one transaction. Each commit's pages are taken from SQLite's own write-ahead
log, so that a bookmark costs what the write changed. ``rows_read`` in the meta is the number of
rows returned, because SQLite does not tell how many it looked at.
"""

import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from phasegate.edge.d1_history import KEEP, MOST_BYTES, History
from phasegate.edge.d1_pages import PAGE_SIZE, WalReader, changed, detached, difference
from phasegate.edge.d1_sql import D1Error, bound, described, refuse_forbidden, shown, statements

MOST_WAL = 4 * 1024 * 1024
EMPTY = {"changes": 0, "last_row_id": 0, "rows_read": 0, "rows_written": 0}


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL (several statements only without parameters) and what to bind."""

    sql: str
    params: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one statement answered: column names, rows, and D1's ``meta``."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    meta: dict[str, Any]

    def objects(self) -> list[dict[str, Any]]:
        """The rows by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Restored:
    """A restore: where the database is now, and the bookmark that undoes it."""

    bookmark: str
    previous: str


class Database:
    """The database *name* in ``<path>``; not to be used by two threads at once."""

    def __init__(
        self, path: Path, *, name: str, most_bytes: int = MOST_BYTES, keep: timedelta = KEEP
    ) -> None:
        self._path = path
        path.touch(mode=0o600)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._wal = WalReader(Path(f"{path}-wal"))
        self._configure()
        self._history = History(path, name=name, most_bytes=most_bytes, keep=keep)
        self._catch_up()

    def run(self, wanted: Iterable[Statement]) -> list[Outcome]:
        """Run *wanted* as one transaction: all of it happens, or nothing and `D1Error`."""
        self._connection.execute("BEGIN")
        try:
            outcomes = [outcome for one in wanted for outcome in self._each(one)]
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error | sqlite3.Warning):
                raise D1Error(described(error)) from error
            raise
        wrote = self._note()
        size = self.size
        for outcome in outcomes:
            outcome.meta.update(changed_db=wrote, size_after=size)
        return outcomes

    @property
    def size(self) -> int:
        """Bytes of the database."""
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        return int(pages) * PAGE_SIZE

    def tables(self) -> int:
        """How many tables there are."""
        sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        return int(self._connection.execute(sql).fetchone()[0])

    def bookmark(self, moment: float | None = None) -> str:
        """The bookmark of now, or of epoch second *moment*."""
        number = self._history.newest if moment is None else self._history.at(moment)
        return self._history.bookmark(number)

    def restore(self, bookmark: str) -> Restored:
        """Put the database back to *bookmark*, in place: a commit like others, so it can be undone."""
        number = self._history.find(bookmark)
        previous = self.bookmark()
        if number == self._history.newest:
            return Restored(previous, previous)
        before = self._connection.serialize()
        source = sqlite3.connect(":memory:")
        try:
            image = self._history.image(number)
            if image:
                source.deserialize(detached(image))
            else:
                source.execute(f"PRAGMA page_size = {PAGE_SIZE}")
            source.backup(self._connection)
        finally:
            source.close()
        self._note(before=before)
        return Restored(self.bookmark(), previous)

    def close(self) -> None:
        """Close the files."""
        self._history.close()
        self._connection.close()

    def _configure(self) -> None:
        for setting in (
            f"page_size = {PAGE_SIZE}",
            "journal_mode = WAL",
            "locking_mode = EXCLUSIVE",
            "wal_autocheckpoint = 0",
            "synchronous = NORMAL",
            "foreign_keys = ON",
        ):
            self._connection.execute(f"PRAGMA {setting}")
        self._checkpoint()

    def _each(self, wanted: Statement) -> Iterable[Outcome]:
        found = list(statements(wanted.sql))
        if not found:
            raise D1Error("No SQL statements detected.: SQLITE_ERROR")
        if wanted.params and len(found) > 1:
            raise D1Error("A prepared SQL statement must contain only one statement: SQLITE_ERROR")
        params = tuple(bound(value) for value in wanted.params)
        for sql in found:
            refuse_forbidden(sql)
            yield self._one(sql, params)

    def _one(self, sql: str, params: tuple[Any, ...]) -> Outcome:
        started = time.perf_counter()
        before = self._connection.total_changes
        cursor = self._connection.execute(sql, params)
        columns = tuple(column[0] for column in cursor.description or ())
        rows = [tuple(shown(value) for value in row) for row in cursor.fetchall()]
        changes = self._connection.total_changes - before
        meta = EMPTY | {
            "served_by": "phasegate.edge",
            "duration": (time.perf_counter() - started) * 1000,
            "changes": changes,
            "last_row_id": cursor.lastrowid or 0,
            "rows_read": len(rows),
            "rows_written": changes,
        }
        return Outcome(columns, rows, meta)

    def _note(self, *, before: bytes | None = None) -> bool:
        pages, size = self._wal.committed()
        if not size:
            return False
        if before is not None:
            # A restore writes every page, and most of them are as they were.
            pages = changed(before, pages)
        self._history.append(pages, size=size, at=time.time())
        if self._wal.size > MOST_WAL:
            self._checkpoint()
        return True

    def _checkpoint(self) -> None:
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._wal.restart()

    def _catch_up(self) -> None:
        """An edge that was killed may have committed without noting it."""
        kept = self._history.image(self._history.newest)
        now = self._connection.serialize()
        pages = difference(kept, now)
        if pages or len(kept) != len(now):
            self._history.append(pages, size=len(now) // PAGE_SIZE, at=time.time())
