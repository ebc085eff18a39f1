"""The edge's end of one version's process."""

import asyncio
import os
from collections import deque
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from phasegate.edge.forks import Child
from phasegate.edge.runtime_launch import Launch
from phasegate.edge.runtime_modules import StartupFailed

GRACE = 3.0
LINES_KEPT = 100
LINE_LIMIT = 2000


class VersionProcess:
    """One process; ``exited`` is set once it is gone, however it went."""

    def __init__(self, process: Child) -> None:
        assert process.stderr is not None
        self._process = process
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self.exited = asyncio.Event()
        self._logs = {asyncio.create_task(self._log(process.stderr))}
        self._ending = asyncio.create_task(self._await_exit())

    @classmethod
    async def launch(cls, launch: Launch, *, limit: timedelta) -> "VersionProcess":
        """Start a process and wait until it serves. Raises StartupFailed."""
        # workerd does not take the place of a socket that an earlier process left behind.
        await asyncio.to_thread(launch.socket.unlink, missing_ok=True)
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(limit.total_seconds()):
                process = await launch.begin()
        except TimeoutError:
            raise _not_ready(limit) from None
        version = cls(process)
        try:
            await version._ready(launch, until=began + limit.total_seconds(), limit=limit)
        except BaseException:
            version.kill()
            await version.exited.wait()
            raise
        return version

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process has not ended yet."""
        return not self.exited.is_set()

    @property
    def lines(self) -> tuple[str, ...]:
        """The last lines the version wrote."""
        return tuple(self._lines)

    @property
    def memory(self) -> int:
        """Bytes of it in memory now; 0 once it is gone, or where the kernel does not tell."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def kill(self) -> None:
        """End it without asking."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def end(self) -> None:
        """Ask it to finish its requests and end; kill it if it does not."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self.exited.wait(), GRACE)
        except TimeoutError:
            self.kill()
            await self.exited.wait()

    async def _ready(self, launch: Launch, *, until: float, limit: timedelta) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(launch.first_words)
        try:
            async with asyncio.timeout_at(until):
                await self._until_ready(launch, stdout)
        except TimeoutError:
            raise _not_ready(limit) from None
        self._logs.add(asyncio.create_task(self._log(stdout)))

    async def _until_ready(self, launch: Launch, stdout: asyncio.StreamReader) -> None:
        while line := await stdout.readline():
            if launch.ready(line):
                return
            self._lines.append(line.decode(errors="replace").rstrip("\n")[:LINE_LIMIT])
        await asyncio.wait((*self._logs, self._ending))
        ended = f"the process ended with code {self._process.returncode} before it served"
        raise StartupFailed(launch.why(self.lines) or ended)

    async def _log(self, stream: asyncio.StreamReader) -> None:
        rest = ""
        while piece := await stream.read(65536):
            *lines, rest = (rest + piece.decode(errors="replace")).split("\n")
            self._lines.extend(line[:LINE_LIMIT] for line in lines)
            rest = rest[-LINE_LIMIT:]
        if rest:
            self._lines.append(rest)

    async def _await_exit(self) -> None:
        await self._process.wait()
        self.exited.set()
        # A grandchild may hold the pipe open; its words are not worth waiting for.
        await asyncio.wait(self._logs, timeout=0.5)
        for log in self._logs:
            log.cancel()


def _not_ready(limit: timedelta) -> StartupFailed:
    return StartupFailed(f"not ready within {limit.total_seconds():g} s")
