"""
What the splitter costs: the same version asked directly and through the front door, in turns.

``python -m benchmarks.splitter [--requests 3000] [--connections 8]`` prints microseconds of wall
time and of CPU a request, and their ratio. Blocks alternate, so that a busy machine
disturbs both alike; the CPU is that of the splitter's own process and of the version's.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import uvloop

from benchmarks.figures import Figure
from phasegate.edge.model import Invocation, Module, VersionRecord
from phasegate.edge.runtime import Runtime
from phasegate.edge.splitter import Splitter

APP = b"""
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""
REQUEST = b"GET /api/v1/health HTTP/1.1\r\nHost: rates.localhost\r\n\r\n"
BLOCKS = 6
REQUESTS = 3000
CONNECTIONS = 8
LIMIT = timedelta(seconds=20)


class Asker(asyncio.Protocol):
    """A keep-alive client with one request under way at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.left = 0
        self.answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Kept for writing."""
        # uvloop's transports are none of asyncio's classes, so there is nothing to check.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Count an answer and ask again."""
        self.answer += data
        if not self.answer.endswith(b"\r\n\r\nok"):
            return
        if not self.answer.startswith(b"HTTP/1.1 200 "):
            self.done.set_exception(RuntimeError(f"unexpected answer: {self.answer[:200]!r}"))
            return
        self.answer = b""
        self.left -= 1
        if self.left:
            self.transport.write(REQUEST)
        else:
            self.done.set_result(None)

    def ask(self, times: int) -> "asyncio.Future[None]":
        """Ask *times* times, one after the other."""
        self.left, self.done = times, asyncio.get_running_loop().create_future()
        self.transport.write(REQUEST)
        return self.done


@dataclass(frozen=True)
class Block:
    """Microseconds a request: wall time, CPU of the splitter's process, CPU of the version's."""

    wall: float
    splitter: float
    version: float


def cpu(pid: int) -> float:
    """Seconds of CPU a process has used; the scheduler's own count, finer than the clock tick."""
    return (
        sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())
        / 1e9
    )


async def measure(askers: list[Asker], requests: int, *, splitter: int, version: int) -> Block:
    """Ask *requests* times over all connections."""
    before = time.perf_counter(), cpu(splitter), cpu(version)
    await asyncio.gather(*(asker.ask(requests // len(askers)) for asker in askers))
    after = time.perf_counter(), cpu(splitter), cpu(version)
    asked = requests // len(askers) * len(askers)
    return Block(*((now - then) / asked * 1e6 for now, then in zip(after, before, strict=True)))


def serve(pipe: Connection, workdir: str) -> None:
    """The edge, in a process of its own so that its CPU can be told from the client's."""
    uvloop.run(_serve(pipe, Path(workdir)))


async def _serve(pipe: Connection, workdir: Path) -> None:
    seen: list[Invocation] = []
    runtime = Runtime(d1_socket=workdir / "d1.sock", workdir=workdir)
    splitter = Splitter(runtime, record=seen.append)
    module = Module("index.py", "text/x-python", APP)
    version = VersionRecord(str(uuid.uuid4()), 1, "rates", (module,), {"main_module": "index.py"}, "")
    try:
        await runtime.start(version)
        splitter.route("rates", ((version.id, 100.0),))
        pipe.send((await splitter.serve(), runtime.address(version.id), runtime.pid(version.id)))
        await asyncio.to_thread(pipe.recv)
    finally:
        await splitter.close()
        await runtime.close()
    pipe.send(len(seen))


async def compare(
    port: int, path: str, *, requests: int, connections: int, pids: dict[str, int]
) -> dict[str, Block]:
    """Alternate blocks of both kinds; the medians of each."""
    loop = asyncio.get_running_loop()
    through = [(await loop.create_connection(Asker, "127.0.0.1", port))[1] for _ in range(connections)]
    direct = [(await loop.create_unix_connection(Asker, path))[1] for _ in range(connections)]
    blocks: dict[str, list[Block]] = {"direct": [], "splitter": []}
    for askers in (direct, through):
        await measure(askers, requests // 10, **pids)
    # ABBA: neither kind is always the second one.
    for order in (("direct", "splitter"), ("splitter", "direct")) * (BLOCKS // 2):
        for kind in order:
            askers = through if kind == "splitter" else direct
            blocks[kind].append(await measure(askers, requests // BLOCKS, **pids))
    return {kind: _median(measured) for kind, measured in blocks.items()}


def _median(blocks: list[Block]) -> Block:
    return Block(
        *(
            statistics.median(getattr(block, name) for block in blocks)
            for name in ("wall", "splitter", "version")
        )
    )


def report(rows: dict[str, Block]) -> None:
    """Print a line for each kind and the difference."""
    print(f"{'µs a request':<14}{'wall':>9}{'splitter CPU':>15}{'version CPU':>15}")
    for kind, row in rows.items():
        print(f"{kind:<14}{row.wall:>9.1f}{row.splitter:>15.1f}{row.version:>15.1f}")
    print(f"wall ratio {rows['splitter'].wall / rows['direct'].wall:.2f}")


def figures() -> tuple[Figure, ...]:
    """What a request costs directly and through the splitter, in the same run."""
    rows, _ = run(REQUESTS, CONNECTIONS)
    direct, through = rows["direct"], rows["splitter"]
    part = "splitter"
    return (
        Figure(part, "direct request, wall", direct.wall, "µs"),
        Figure(part, "through the splitter, wall", through.wall, "µs"),
        Figure(part, "the splitter's own CPU", through.splitter, "µs"),
        Figure(part, "through the splitter / direct", through.wall / direct.wall, "times"),
    )


def run(requests: int, connections: int) -> tuple[dict[str, Block], int]:
    """Start an edge and ask it; the medians of each kind and how many requests were recorded."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    with tempfile.TemporaryDirectory() as workdir:
        edge = context.Process(target=serve, args=(theirs, workdir))
        edge.start()
        try:
            if not ours.poll(15):
                raise RuntimeError("the edge did not start within 15 s")
            port, path, version = ours.recv()
            pids = {"splitter": edge.pid or os.getpid(), "version": version}
            asked = compare(port, path, requests=requests, connections=connections, pids=pids)
            rows = uvloop.run(asyncio.wait_for(asked, LIMIT.total_seconds()))
            ours.send(None)
            return rows, ours.recv()
        finally:
            edge.join(5)
            edge.kill()


def main() -> None:
    """Run once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS, help=f"of each kind (default {REQUESTS})")
    parser.add_argument(
        "--connections", type=int, default=CONNECTIONS, help=f"open at once (default {CONNECTIONS})"
    )
    given = parser.parse_args()
    rows, recorded = run(given.requests, given.connections)
    report(rows)
    print(f"recorded {recorded} requests")


if __name__ == "__main__":
    main()
