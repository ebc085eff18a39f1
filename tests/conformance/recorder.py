"""Stands between a client and the edge's API, and keeps what was said."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn

from phasegate.adapters.localhost import ssl_context
from phasegate.edge.api_bundle import read_parts
from phasegate.edge.serving import PartServer

Message = MutableMapping[str, Any]
_HOP = frozenset({b"host", b"connection", b"content-length", b"accept-encoding", b"transfer-encoding"})


@dataclass
class Exchange:
    """One call and its answer; bodies as JSON, a multipart body as ``{"parts": […]}``."""

    method: str
    path: str
    query: str
    content_type: str
    body: Any
    status: int = 0
    answer: Any = None


@dataclass
class Recorder:
    """A proxy on loopback; ``exchanges`` is emptied by whoever has read them."""

    upstream: str
    exchanges: list[Exchange] = field(default_factory=list)
    url: str = ""

    def take(self) -> list[Exchange]:
        """What was said since the last time."""
        taken, self.exchanges = self.exchanges, []
        return taken

    async def app(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Pass one request on."""
        body = await _body(receive)
        headers = [(name, value) for name, value in scope["headers"] if name not in _HOP]
        query = scope["query_string"].decode()
        target = f"{self.upstream}{scope['path']}{f'?{query}' if query else ''}"
        content_type = dict(headers).get(b"content-type", b"").decode()
        said = _said(content_type, body)
        exchange = Exchange(scope["method"], scope["path"], query, content_type.partition(";")[0], said)
        self.exchanges.append(exchange)
        async with httpx.AsyncClient(verify=ssl_context(), timeout=60) as client:
            answer = await client.request(scope["method"], target, content=body, headers=headers)
        exchange.status, exchange.answer = answer.status_code, answer.json()
        kept = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer.content))]
        kept += (
            [(b"retry-after", answer.headers["retry-after"].encode())]
            if "retry-after" in answer.headers
            else []
        )
        await send({"type": "http.response.start", "status": answer.status_code, "headers": kept})
        await send({"type": "http.response.body", "body": answer.content})


@asynccontextmanager
async def recording(origin: str):
    """A recorder in front of the edge at *origin*."""
    recorder = Recorder(origin)
    config = uvicorn.Config(
        recorder.app, port=0, lifespan="off", ws="none", log_config=None, interface="asgi3", access_log=False
    )
    server = PartServer(config)
    serving = asyncio.create_task(server.serve())
    await server.ready(serving, what="the recorder")
    recorder.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/client/v4"
    try:
        yield recorder
    finally:
        await server.end(serving)


async def _body(receive: Callable[[], Awaitable[Message]]) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


def _said(content_type: str, body: bytes) -> Any:
    if not body:
        return None
    if content_type.startswith("multipart/form-data"):
        return {"parts": [_part(part) for part in read_parts(content_type, body)]}
    return json.loads(body)


def _part(part: Any) -> dict[str, Any]:
    if part.name == "metadata":
        return {"name": part.name, "json": json.loads(part.data)}
    return {"name": part.name, "content_type": part.content_type}
