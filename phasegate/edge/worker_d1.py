"""
The D1 binding of a running version.

The shape is that of Cloudflare's Workers Binding API for D1 (``D1Database``,
``D1PreparedStatement``, ``D1Result``); the wire is newline-delimited JSON over the
edge's Unix socket, pipelined by id.
"""

import asyncio
import itertools
import json
from dataclasses import dataclass
from typing import Any

QUERY_LIMIT = 30.0
LINE_LIMIT = 64 * 1024 * 1024

Param = str | int | float | None
Row = dict[str, Any]


class D1Error(Exception):
    """A statement failed; the message starts with ``D1_ERROR: `` as Cloudflare's does."""

    def __init__(self, message: str) -> None:
        super().__init__(message if message.startswith("D1_") else f"D1_ERROR: {message}")


class Meta(dict[str, Any]):
    """What a statement did: ``changes``, ``last_row_id``, ``rows_read``, ... by key or by attribute."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclass(frozen=True, slots=True)
class Result:
    """What one statement answered."""

    results: list[Row]
    meta: Meta
    success: bool = True


@dataclass(frozen=True, slots=True)
class ExecResult:
    """How many statements ``exec`` ran, and how many milliseconds they took."""

    count: int
    duration: float


class D1Connection:
    """One kept connection to the edge's D1 engine; opened at the first query, and again after a loss."""

    def __init__(self, socket_path: str) -> None:
        self._path = socket_path
        self._ids = itertools.count(1)
        self._pending: dict[int, tuple[asyncio.StreamWriter, asyncio.Future[dict[str, Any]]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._opening = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None

    async def query(self, database: str, statements: list[dict[str, Any]]) -> list[Result]:
        """Run *statements*, several as one transaction. Raises D1Error."""
        number = next(self._ids)
        line = json.dumps({"id": number, "db": database, "statements": statements}).encode() + b"\n"
        try:
            async with asyncio.timeout(QUERY_LIMIT):
                answer = await self._ask(number, line)
        except TimeoutError:
            raise D1Error(f"no answer within {QUERY_LIMIT:g} s") from None
        except OSError as error:
            raise D1Error(f"the database cannot be reached: {error}") from error
        finally:
            self._pending.pop(number, None)
        if not answer.get("success"):
            raise D1Error(str(answer.get("error", "unknown error")))
        return [Result(list(one["results"]), Meta(one["meta"])) for one in answer["results"]]

    async def _ask(self, number: int, line: bytes) -> dict[str, Any]:
        writer = await self._connected()
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[number] = (writer, answer)
        writer.write(line)
        await writer.drain()
        return await answer

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._opening:
            if self._writer is None or self._writer.is_closing():
                reader, self._writer = await asyncio.open_unix_connection(self._path, limit=LINE_LIMIT)
                self._reading = asyncio.create_task(self._read(reader, self._writer))
            return self._writer

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self._answer(json.loads(line))
        except (OSError, ValueError):
            pass
        finally:
            writer.close()
            self._lose(writer)

    def _answer(self, answer: dict[str, Any]) -> None:
        _, waiting = self._pending.get(answer["id"], (None, None))
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _lose(self, writer: asyncio.StreamWriter) -> None:
        for asked_on, waiting in self._pending.values():
            if asked_on is writer and not waiting.done():
                waiting.set_exception(D1Error("the connection to the database was lost"))


class D1Statement:
    """A prepared statement, with or without its parameters."""

    def __init__(self, database: "D1Database", sql: str, params: tuple[Param, ...] = ()) -> None:
        self._database = database
        self.sql = sql
        self.params = params

    def bind(self, *params: Param) -> "D1Statement":
        """The statement with these parameters; ``D1_TYPE_ERROR`` for what D1 does not store."""
        for param in params:
            if not isinstance(param, str | int | float | None):
                raise D1Error(f"D1_TYPE_ERROR: Type '{type(param).__name__}' not supported for value")
        return D1Statement(self._database, self.sql, params)

    async def all(self) -> Result:
        """Run it; all rows."""
        return (await self._database.batch([self]))[0]

    async def run(self) -> Result:
        """Run it; ``meta`` says what changed."""
        return await self.all()

    async def first(self, column: str | None = None) -> Any:
        """The first row, or its *column*; None without a row. Raises D1Error for a column it lacks."""
        rows = (await self.all()).results
        if not rows:
            return None
        if column is None:
            return rows[0]
        if column not in rows[0]:
            raise D1Error(f"D1_COLUMN_NOTFOUND: Column not found ({column})")
        return rows[0][column]

    async def raw(self, *, column_names: bool = False) -> list[list[Any]]:
        """The rows as lists, after a list of the column names if asked."""
        rows = (await self.all()).results
        head = [list(rows[0])] if column_names and rows else []
        return head + [list(row.values()) for row in rows]


class D1Database:
    """The binding itself: ``env.DB``."""

    def __init__(self, connection: D1Connection, database: str) -> None:
        self._connection = connection
        self._database = database

    def prepare(self, sql: str) -> D1Statement:
        """A statement without parameters."""
        return D1Statement(self, sql)

    async def batch(self, statements: list[D1Statement]) -> list[Result]:
        """Run them in one transaction: all or none."""
        if not statements:
            raise D1Error("No SQL statements detected.")
        sent = [{"sql": one.sql, "params": list(one.params)} for one in statements]
        return await self._connection.query(self._database, sent)

    async def exec(self, sql: str) -> ExecResult:
        """Run each statement of a script by itself; the first that fails ends it."""
        results = [await self.prepare(one).all() for one in split_script(sql)]
        return ExecResult(len(results), sum(float(one.meta.get("duration", 0.0)) for one in results))


def split_script(sql: str) -> list[str]:
    """The statements of a script; a semicolon in a string, comment or trigger does not divide."""
    # Few Workers run scripts, and the import would cost every one of them memory.
    from sqlite3 import complete_statement  # noqa: PLC0415

    statements, held = [], ""
    for piece in sql.split(";"):
        held += piece + ";"
        if complete_statement(held):
            statements.append(held.strip())
            held = ""
    rest = held.removesuffix(";").strip()
    return [one for one in (*statements, rest) if one.strip("; \n\t\r")]
