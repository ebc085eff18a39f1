"""Real versions, a real splitter and a client that shows every byte, for the tests of the data plane."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phasegate.edge.model import Invocation, Module, VersionRecord
from phasegate.edge.runtime import Runtime
from phasegate.edge.splitter import Limits, SplitMode, Splitter

APP = """
import asyncio, json, os

BIG = b"0123456789abcdef" * (5 * 1024 * 1024 // 16)

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("http only")
    await PATHS.get(scope["path"], who)(scope, receive, send)

async def answer(send, body, status=200, headers=()):
    length = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": length + list(headers)})
    await send({"type": "http.response.body", "body": body})

async def who(scope, receive, send):
    await answer(send, scope["env"].ME.id.encode(), headers=[(b"x-tag", scope["env"].ME.tag.encode())])

async def read(receive):
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body

async def echo(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        await send({"type": "http.response.body", "body": message.get("body", b""), "more_body": more})

async def size(scope, receive, send):
    await answer(send, str(len(await read(receive))).encode())

async def big(scope, receive, send):
    await answer(send, BIG)

async def head(scope, receive, send):
    seen = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
    seen |= {"method": scope["method"], "path": scope["path"], "query": scope["query_string"].decode()}
    private = [(b"Connection", b"x-private"), (b"x-private", b"1")]
    await answer(send, json.dumps(seen).encode(), headers=private)

async def slow(scope, receive, send):
    await asyncio.sleep(float(scope["query_string"] or 0.2))
    await who(scope, receive, send)

async def hang(scope, receive, send):
    await asyncio.sleep(60)

async def throw(scope, receive, send):
    raise ValueError("thrown")

async def late(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    await asyncio.sleep(0.05)
    raise ValueError("thrown late")

async def silent(scope, receive, send):
    return

async def failing(scope, receive, send):
    await answer(send, b"no", status=500)

async def crash(scope, receive, send):
    os._exit(137)

async def empty(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})

async def early(scope, receive, send):
    await answer(send, b"too much", status=413)

PATHS = {
    "/echo": echo, "/size": size, "/big": big, "/head": head, "/slow": slow, "/hang": hang, "/throw": throw,
    "/late": late, "/silent": silent, "/failing": failing, "/crash": crash, "/empty": empty, "/early": early,
}
"""
ME = {"type": "version_metadata", "name": "ME"}


def a_version(
    source: str = APP, *, number: int = 1, bindings: tuple[dict[str, Any], ...] = (ME,)
) -> VersionRecord:
    """A version of the Worker ``rates`` with one Python module."""
    metadata = {
        "main_module": "index.py",
        "bindings": list(bindings),
        "annotations": {"workers/tag": f"v{number}"},
    }
    modules = (Module("index.py", "text/x-python", source.encode()),)
    return VersionRecord(str(uuid.uuid4()), number, "rates", modules, metadata, "2026-02-17T03:00:00Z")


@dataclass
class Answer:
    """One answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


class Wire:
    """A keep-alive HTTP/1.1 connection whose bytes the test writes itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Raw bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def read(self, *, method: str = "GET") -> Answer:
        """The next answer, by its framing."""
        async with asyncio.timeout(20):
            answer = await self._head()
            if method == "HEAD" or answer.status in (204, 304):
                return answer
            if answer.headers.get("transfer-encoding") == "chunked":
                answer.body = await self._chunks()
            elif "content-length" in answer.headers:
                answer.body = await self.reader.readexactly(int(answer.headers["content-length"]))
            elif answer.status >= 200:
                answer.body = await self.reader.read()
            return answer

    async def get(
        self, path: str = "/", *, host: str = "rates.localhost", method: str = "GET", **headers: str
    ) -> Answer:
        """Ask without a body; underscores in header names become dashes."""
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        await self.send(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode())
        return await self.read(method=method)

    async def _head(self) -> Answer:
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines[1:] if line)
        return Answer(int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in fields})

    async def _chunks(self) -> bytes:
        body = bytearray()
        while size := int(await self.reader.readline(), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readline()
        return bytes(body)


@dataclass
class Case:
    """A running edge of two versions."""

    runtime: Runtime
    splitter: Splitter
    port: int
    versions: tuple[VersionRecord, ...]
    seen: list[Invocation] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)

    @property
    def stable(self) -> str:
        """The id of the first version."""
        return self.versions[0].id

    @property
    def canary(self) -> str:
        """The id of the second version."""
        return self.versions[1].id

    def route(self, canary: float) -> None:
        """Give the canary this percentage."""
        self.splitter.route("rates", ((self.canary, canary), (self.stable, 100 - canary)))

    async def wire(self) -> Wire:
        """A new connection; closed with the case."""
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.port))
        self.wires.append(wire)
        return wire

    async def get(self, path: str = "/", **more: Any) -> Answer:
        """One request on a connection of its own."""
        return await (await self.wire()).get(path, **more)

    def reset(self) -> None:
        """As it was at the start: the first version takes everything, and nothing is recorded."""
        for wire in self.wires:
            wire.writer.close()
        self.wires.clear()
        self.splitter.default_worker = None
        self.splitter.lag("rates", 0)
        self.splitter.route("rates", ((self.stable, 100.0),))
        self.seen.clear()

    async def last(self) -> Invocation:
        """The newest record, once there is one."""
        await until(lambda: bool(self.seen))
        return self.seen[-1]


async def until(holds: Callable[[], bool], *, limit: float = 10.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(limit):
        while not holds():  # noqa: ASYNC110  # the condition may be about another process
            await asyncio.sleep(0.01)


@asynccontextmanager
async def a_case(
    workdir: Path,
    *,
    source: str = APP,
    count: int = 2,
    limits: Limits | None = None,
    mode: SplitMode = SplitMode.SMOOTH,
    **runtime_settings: Any,
) -> AsyncIterator[Case]:
    """Start *count* versions behind a splitter; the first takes everything."""
    runtime = Runtime(d1_socket=workdir / "d1.sock", workdir=workdir, **runtime_settings)
    seen: list[Invocation] = []
    splitter = Splitter(runtime, record=seen.append, limits=limits, mode=mode)
    versions = tuple(a_version(source, number=number) for number in range(1, count + 1))
    try:
        await asyncio.gather(*(runtime.start(version) for version in versions))
        case = Case(runtime, splitter, await splitter.serve(), versions, seen)
        splitter.route("rates", ((versions[0].id, 100.0),))
        yield case
        for wire in case.wires:
            wire.writer.close()
    finally:
        await splitter.close()
        await runtime.close()


def as_json(answer: Answer) -> dict[str, Any]:
    """The body, decoded."""
    decoded: dict[str, Any] = json.loads(answer.body)
    return decoded
