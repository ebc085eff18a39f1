"""
What ``workerd`` asks the edge for, by HTTP over a Unix socket: D1, and the files of static assets.

``POST /query`` and ``/execute`` are what workerd's own D1 binding sends: ``{"sql", "params"}``, or a
list of them that is one transaction; the header ``x-edge-d1`` names the database. Answer:
``{"success": true, "results", "meta"}`` (a list for a list) or ``{"success": false, "error"}``, the
results as ``?resultsFormat=`` says. ``GET /assets/<hash>`` is one file.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import uvicorn

from phasegate.edge.d1 import Outcome, Statement
from phasegate.edge.d1_databases import Databases
from phasegate.edge.serving import PartServer
from phasegate.edge.state import State
from phasegate.edge.workerd_config import D1_HEADER

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_ASSETS = "/assets/"


class Inside:
    """The server; one for all versions."""

    def __init__(self, databases: Databases, state: State) -> None:
        self._databases = databases
        self._state = state
        self._server: PartServer | None = None
        self._serving: asyncio.Task[None] | None = None

    async def serve(self, path: Path) -> None:
        """Listen on the Unix socket *path*."""
        self._server = PartServer(
            uvicorn.Config(
                self._app,
                uds=str(path),
                interface="asgi3",
                proxy_headers=False,
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                timeout_graceful_shutdown=1,
                timeout_keep_alive=3600,
            )
        )
        self._serving = asyncio.create_task(self._server.serve())
        await self._server.ready(self._serving, what="the edge's inner socket")
        os.chmod(path, 0o600)  # noqa: PTH101 - one system call, and pathlib is refused in coroutines

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None and self._serving is not None:
            await self._server.end(self._serving)

    async def _app(self, scope: Message, receive: Receive, send: Send) -> None:
        path = str(scope["path"])
        if path.startswith(_ASSETS):
            await self._file(path.removeprefix(_ASSETS), send)
            return
        headers = dict(scope["headers"])
        database = headers.get(D1_HEADER.encode(), b"").decode()
        shape = parse_qs(scope["query_string"].decode()).get("resultsFormat", ["ARRAY_OF_OBJECTS"])[0]
        answer = await self._answer(database, await _read(receive), shape=shape)
        await _send(send, 200, json.dumps(answer).encode(), b"application/json")

    async def _file(self, digest: str, send: Send) -> None:
        found = self._state.asset(digest)
        if found is None:
            await _send(send, 404, b"no such file", b"text/plain")
            return
        content_type, data = found
        await _send(send, 200, data, content_type.encode("latin-1", "replace"))

    async def _answer(self, database: str, body: bytes, *, shape: str) -> Any:
        try:
            asked = json.loads(body)
            many = isinstance(asked, list)
            statements = [
                Statement(one["sql"], tuple(one.get("params") or ())) for one in (asked if many else [asked])
            ]
            outcomes = await self._databases.run(database, statements)
        except Exception as error:
            return {"success": False, "error": str(error) or type(error).__name__}
        answers = [
            {"success": True, "results": _shaped(outcome, shape), "meta": outcome.meta}
            for outcome in outcomes
        ]
        # One request of several statements without parameters answers with the last, as D1 does.
        return answers if many else answers[-1]


def _shaped(outcome: Outcome, shape: str) -> Any:
    if shape == "ROWS_AND_COLUMNS":
        return {"columns": outcome.columns, "rows": outcome.rows}
    return [] if shape == "NONE" else outcome.objects()


async def _read(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


async def _send(send: Send, status: int, body: bytes, content_type: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
