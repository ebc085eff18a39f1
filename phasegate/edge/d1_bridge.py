"""
D1 for running versions: newline-delimited JSON over a Unix socket, answered as each is done.

Request: ``{"id", "db": "<uuid>", "statements": [{"sql", "params"}]}``, several being one transaction.
Answer: ``{"id", "success": true, "results": [{"results": [{…}], "meta": {…}}]}`` or
``{"id", "success": false, "error"}``.
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from phasegate.edge.d1 import Statement
from phasegate.edge.d1_databases import Databases

LINE_LIMIT = 16 * 1024 * 1024
IN_FLIGHT = 64


class Bridge:
    """The server side; one connection for each running version."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self, path: Path) -> None:
        """Listen on the Unix socket *path*."""
        self._server = await asyncio.start_unix_server(self._connected, path=path, limit=LINE_LIMIT)
        os.chmod(path, 0o600)  # noqa: PTH101 - one system call, and pathlib is refused in coroutines

    async def close(self) -> None:
        """Stop listening and cut the connections."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._converse(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        room = asyncio.Semaphore(IN_FLIGHT)
        try:
            async with asyncio.TaskGroup() as tasks:
                while line := await reader.readline():
                    await room.acquire()
                    task = tasks.create_task(self._answer(line, writer))
                    task.add_done_callback(lambda _: room.release())
        except* (ConnectionError, ValueError):
            pass  # The version is gone, or sent a line beyond the limit: it opens a new connection.
        finally:
            writer.close()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        request_id: Any = None
        try:
            request = json.loads(line)
            request_id = request.get("id")
            answer = {"success": True, "results": await self._results(request)}
        except Exception as error:
            # Whatever it is, it is this request's alone: raised further it would cut the connection.
            answer = {"success": False, "error": str(error) or type(error).__name__}
        if writer.is_closing():
            return
        writer.write(json.dumps({"id": request_id, **answer}).encode() + b"\n")
        await writer.drain()

    async def _results(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        statements = [Statement(one["sql"], tuple(one.get("params") or ())) for one in request["statements"]]
        outcomes = await self._databases.run(request["db"], statements)
        return [{"results": outcome.objects(), "meta": outcome.meta} for outcome in outcomes]
