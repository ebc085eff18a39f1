"""A D1 engine on a Unix socket over one SQLite file, for the tests of the binding."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Engine:
    """Answers each line; ``connections`` counts those that were opened."""

    database: sqlite3.Connection
    connections: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        self.writers.append(writer)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self.answer(json.loads(line))).encode() + b"\n")
        finally:
            writer.close()

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """All statements in one transaction."""
        self.database.execute("BEGIN")
        try:
            results = [self._run(one["sql"], one["params"]) for one in asked["statements"]]
        except sqlite3.Error as error:
            self.database.execute("ROLLBACK")
            return {"id": asked["id"], "success": False, "error": f"{error}: SQLITE_ERROR"}
        self.database.execute("COMMIT")
        return {"id": asked["id"], "success": True, "results": results}

    def _run(self, sql: str, params: list[Any]) -> dict[str, Any]:
        cursor = self.database.execute(sql, params)
        rows = [dict(row) for row in cursor.fetchall()]
        return {"results": rows, "meta": {"changes": max(cursor.rowcount, 0), "duration": 0.1}}


@asynccontextmanager
async def an_engine(path: Path) -> AsyncIterator[Engine]:
    """Serve on the socket *path*."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.row_factory = sqlite3.Row
    engine = Engine(database)
    server = await asyncio.start_unix_server(engine.serve, path)
    async with server:
        yield engine
        for writer in engine.writers:
            writer.close()
    database.close()
