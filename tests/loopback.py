"""A small HTTP server on loopback whose answers a test decides, and which remembers what it was asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What is answered: a JSON body or raw bytes, after *after* seconds."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    after: float = 0.0


@dataclass
class Loopback:
    """Where the server listens, and the calls it got: ``(method, path)`` and ``(headers, body)``."""

    port: int = 0
    calls: list[tuple[str, str]] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The address without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"


Answer = Callable[[str, str, bytes], Reply | None]


@asynccontextmanager
async def serve(answer: Answer) -> AsyncIterator[Loopback]:
    """Serve on a free port; *answer* None drops the connection without a word."""
    loopback = Loopback()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _one(loopback, answer, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    loopback.port = server.sockets[0].getsockname()[1]
    async with server:
        yield loopback


async def _one(
    loopback: Loopback, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    loopback.calls.append((method, path))
    loopback.requests.append((headers, body))
    reply = answer(method, path, body)
    if reply is None:
        return
    await asyncio.sleep(reply.after)
    raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
    fields = {"Content-Length": str(len(raw)), "Connection": "close", **reply.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    writer.write(f"HTTP/1.1 {reply.status} -\r\n{lines}\r\n".encode() + raw)
    await writer.drain()
