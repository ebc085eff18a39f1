"""Cloudflare's D1 binding behind four verbs."""

from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
Statement = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one statement of a batch did."""

    rows: list[Row]
    changes: int


class Database:
    """
    Runs SQL on a D1 binding.

    The binding's shape is Cloudflare's: ``prepare(sql).bind(*params)`` and then
    ``all()``, ``first()`` or ``run()``; ``batch([...])`` is one transaction.
    """

    def __init__(self, binding: Any) -> None:
        self._binding = binding

    def _prepare(self, sql: str, params: tuple[Any, ...]) -> Any:
        statement = self._binding.prepare(sql)
        return statement.bind(*params) if params else statement

    async def rows(self, sql: str, *params: Any) -> list[Row]:
        """All rows of a query."""
        return list((await self._prepare(sql, params).all()).results)

    async def row(self, sql: str, *params: Any) -> Row | None:
        """The first row of a query, or None."""
        row: Row | None = await self._prepare(sql, params).first()
        return row

    async def write(self, sql: str, *params: Any) -> int:
        """Run one statement; how many rows it changed."""
        return _changes(await self._prepare(sql, params).run())

    async def batch(self, *statements: Statement) -> list[Outcome]:
        """Run the statements in one transaction; all of them or none."""
        prepared = [self._prepare(sql, params) for sql, params in statements]
        results = await self._binding.batch(prepared)
        return [Outcome(list(result.results or ()), _changes(result)) for result in results]


def _changes(result: Any) -> int:
    # A Python Worker sees `meta` as a mapping or as an object, depending on how it crossed from JavaScript.
    meta = result.meta
    return int(meta["changes"] if isinstance(meta, dict) else meta.changes)
