"""The keeper's own health: for a load balancer or a person over HTTP, and for systemd."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

LIMIT = 5.0
LONGEST_HEAD = 8192
FED_EVERY = 2.0


@dataclass(frozen=True)
class Health:
    """Whether the keeper does all of its work, the figures behind it, and whether it does some of it."""

    ok: bool
    told: dict[str, Any]
    alive: bool


@asynccontextmanager
async def serve_health(health: Callable[[], Health], *, host: str, port: int) -> AsyncIterator[int]:
    """
    Answer ``GET /health`` with 200 or 503 and JSON for the length of the block; yields the port.

    Raises OSError when the port is taken.
    """

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(LIMIT):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_answer(head, health))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, host, port, limit=LONGEST_HEAD)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _answer(head: bytes, health: Callable[[], Health]) -> bytes:
    asked = head.split(b"\r\n", 1)[0].split(b" ")
    if len(asked) != 3 or asked[0] not in (b"GET", b"HEAD"):
        return _response("405 Method Not Allowed", {"allowed": "GET"})
    if asked[1].split(b"?")[0] != b"/health":
        return _response("404 Not Found", {"there is": "/health"})
    found = health()
    return _response("200 OK" if found.ok else "503 Service Unavailable", found.told)


def _response(status: str, told: dict[str, Any]) -> bytes:
    body = json.dumps(told).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return f"{head}connection: close\r\n\r\n".encode() + body


async def feed_systemd(health: Callable[[], Health]) -> None:
    """
    Tell systemd that the keeper is ready, then that it is well, until cancelled; nothing without systemd.

    The protocol is sd_notify(3): datagrams to ``$NOTIFY_SOCKET``. A keeper that is not alive
    stops feeding the watchdog, and ``WatchdogSec`` in the unit has it started again.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.connect("\0" + address[1:] if address.startswith("@") else address)
        notify.send(b"READY=1")
        while True:
            if health().alive:
                with suppress(OSError):
                    notify.send(b"WATCHDOG=1")
            await asyncio.sleep(FED_EVERY)
