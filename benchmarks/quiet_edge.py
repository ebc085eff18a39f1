"""
An edge for hundreds of services, whose versions have no process: ``python -m benchmarks.quiet_edge …``.

Its API, splitter, telemetry and deployments are the edge's own. Every version answers any request with
that it is healthy, from within the edge, through a Unix socket of its own.
"""

import asyncio
import os
import sys
from datetime import timedelta

from phasegate.edge import runtime
from phasegate.edge.runtime_launch import Launch
from tests.release import edge_process

MOST = 10_000
BODY = b'{"status": "healthy"}'
HEAD = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n"
ANSWER = HEAD.encode() + BODY


class Within:
    """What the runtime needs of a version's process, without one."""

    def __init__(self, server: asyncio.Server) -> None:
        self._server = server
        self.exited = asyncio.Event()
        self.lines: tuple[str, ...] = ()
        self.pid, self.memory = os.getpid(), 0

    @classmethod
    async def launch(cls, launch: Launch, *, limit: timedelta) -> "Within":
        """Listen where the version's process would."""
        await asyncio.to_thread(launch.socket.unlink, missing_ok=True)
        return cls(await asyncio.start_unix_server(_answer, launch.socket))

    @property
    def alive(self) -> bool:
        """Whether it was not told to end."""
        return not self.exited.is_set()

    async def end(self) -> None:
        """Listen no longer."""
        self._server.close()
        self.exited.set()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(ANSWER)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        writer.close()


if __name__ == "__main__":
    runtime.VersionProcess = Within  # type: ignore[misc, assignment]
    edge_process.MOST_VERSIONS = MOST
    edge_process.main(sys.argv[1])
