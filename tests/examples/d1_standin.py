"""Cloudflare's D1 binding over one SQLite file, for tests of the sample service."""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Result:
    """What one statement answered."""

    results: list[dict[str, Any]]
    meta: dict[str, Any]
    success: bool = True


@dataclass(frozen=True)
class Statement:
    """A prepared statement, with or without its parameters."""

    database: "D1"
    sql: str
    params: tuple[Any, ...] = field(default=())

    def bind(self, *params: Any) -> "Statement":
        """The statement with these parameters."""
        return Statement(self.database, self.sql, params)

    async def all(self) -> Result:
        """Run it; all rows."""
        return (await self.database.batch([self]))[0]

    async def first(self) -> dict[str, Any] | None:
        """Run it; the first row or None."""
        rows = (await self.all()).results
        return rows[0] if rows else None

    async def run(self) -> Result:
        """Run it; ``meta`` says what changed."""
        return await self.all()


class D1:
    """One database; ``batch`` is one transaction, as in D1."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=10)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.row_factory = sqlite3.Row

    def prepare(self, sql: str) -> Statement:
        """A statement without parameters."""
        return Statement(self, sql)

    async def batch(self, statements: list[Statement]) -> list[Result]:
        """Run them all, or none."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            results = [self._run(statement) for statement in statements]
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        return results

    def _run(self, statement: Statement) -> Result:
        cursor = self._connection.execute(statement.sql, statement.params)
        rows = [dict(row) for row in cursor.fetchall()]
        return Result(rows, {"changes": max(cursor.rowcount, 0)})
