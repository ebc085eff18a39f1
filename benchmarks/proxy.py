"""
A reverse proxy on loopback that counts HTTP requests: ``python -m benchmarks.proxy PORT UPSTREAM FILE``.

Bytes pass untouched, websockets too; each request's head is read on the way and becomes one line of
JSON in FILE: ``{"at": seconds since the epoch, "method", "path", "agent", "client"}``. ``client`` is
the role of the process at the other end, found over ``/proc``.
"""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import TextIO

import httptools
import uvloop

ROLES = {
    "worker start": "worker",
    "phasegate.cli keeper": "keeper",
    "flow-run execute": "run",
    "prefect.engine": "run",
    "prefect.flow_engine": "run",
    " deploy": "deploy",
}
CHUNK = 65536


class Heads:
    """Reads the heads of the requests of one connection until it becomes a websocket."""

    def __init__(self, write: TextIO) -> None:
        self._write = write
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._rows: list[dict[str, object]] = []
        self._url, self._agent = b"", ""
        self._role: str | None = None

    def feed(self, data: bytes) -> None:
        """Take what the client sent; bytes that are no HTTP any more are not read."""
        if self._parser is None:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._parser = None
        except httptools.HttpParserError as error:
            self._parser = None
            print(f"not HTTP: {error}", file=sys.stderr, flush=True)

    def known_as(self, role: str) -> None:
        """The role of the client is known now; what was held back for it is written."""
        self._role = role
        for row in self._rows:
            self._put(row)
        self._rows.clear()

    def on_url(self, url: bytes) -> None:
        """Part of the address."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if name.lower() == b"user-agent":
            self._agent = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is whole: one request."""
        assert self._parser is not None
        path = httptools.parse_url(self._url).path.decode("latin-1")
        method = self._parser.get_method().decode()
        row = {"at": time.time(), "method": method, "path": path, "agent": self._agent}
        self._url, self._agent = b"", ""
        if self._role is None:
            self._rows.append(row)
        else:
            self._put(row)

    def _put(self, row: dict[str, object]) -> None:
        self._write.write(json.dumps({**row, "client": self._role}) + "\n")


def role_of(port: int) -> str:
    """The role of the process whose socket has the local *port*; ``other`` when it is none of ours."""
    inode = _inode(port)
    if not inode:
        return "other"
    for process in Path("/proc").glob("[0-9]*"):
        if _owns(process, f"socket:[{inode}]"):
            return _role(process)
    return "other"


def _inode(port: int) -> str:
    wanted = f"0100007F:{port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == wanted:
            return fields[9]
    return ""


def _owns(process: Path, socket: str) -> bool:
    try:
        return any(str(entry.readlink()) == socket for entry in (process / "fd").iterdir())
    except OSError:
        return False


def _role(process: Path) -> str:
    try:
        command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "other"
    return next((role for sign, role in ROLES.items() if sign in command), "other")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heads: Heads | None) -> None:
    try:
        while data := await reader.read(CHUNK):
            if heads is not None:
                heads.feed(data)
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except (ConnectionError, RuntimeError):
        writer.close()


async def serve(port: int, upstream: int, file: Path) -> None:
    """Listen on *port* until told to end."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with file.open("a", buffering=1) as write:

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heads = Heads(write)
            client = writer.get_extra_info("peername")[1]
            try:
                answers, requests = await asyncio.open_connection("127.0.0.1", upstream)
            except ConnectionError:
                writer.close()
                return
            named = asyncio.create_task(asyncio.to_thread(role_of, client))
            named.add_done_callback(lambda done: heads.known_as(done.result()))
            await asyncio.gather(_pump(reader, requests, heads), _pump(answers, writer, None), named)
            requests.close()
            writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", port)
        async with server:
            await stop.wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
