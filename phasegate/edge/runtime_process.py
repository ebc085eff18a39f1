"""The edge's end of one version's process."""

import asyncio
import json
import os
import sys
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from phasegate.edge.runtime_modules import StartupFailed

PACKAGE_ROOT = str(Path(__file__).parents[2])
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
GRACE = 3.0
LINES_KEPT = 100
LINE_LIMIT = 2000


def child_environment(ours: Mapping[str, str]) -> dict[str, str]:
    """The few variables a version is given; nothing of ours that could be a secret."""
    kept = {name: ours[name] for name in PASSED_ON if name in ours}
    return {**kept, "PYTHONPATH": PACKAGE_ROOT, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}


class VersionProcess:
    """One process; ``exited`` is set once it is gone, however it went."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self.exited = asyncio.Event()
        self._tasks = (asyncio.create_task(self._log()), asyncio.create_task(self._await_exit()))

    @classmethod
    async def launch(cls, configuration: dict[str, Any], *, limit: timedelta) -> "VersionProcess":
        """Start a process and wait until it serves. Raises StartupFailed."""
        # Spawned on the loop's own thread: the kernel ties the child's life to the thread that forked it.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "phasegate.edge.worker_process", "--parent", str(os.getpid())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=child_environment(os.environ),
            cwd=configuration["root"],
        )
        version = cls(process)
        try:
            await version._ready(configuration, limit=limit)
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

    async def _ready(self, configuration: dict[str, Any], *, limit: timedelta) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(configuration).encode() + b"\n")
        try:
            async with asyncio.timeout(limit.total_seconds()):
                word = await stdout.readline()
        except TimeoutError:
            raise StartupFailed(f"not ready within {limit.total_seconds():g} s") from None
        answer = json.loads(word) if word else {"error": await self._last_words()}
        if "error" in answer:
            raise StartupFailed(answer["error"])

    async def _last_words(self) -> str:
        await asyncio.wait(self._tasks)
        said = [line for line in self._lines if line.strip()]
        if said:
            return said[-1]
        return f"the process ended with code {self._process.returncode} before it served"

    async def _log(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        rest = ""
        while piece := await stderr.read(65536):
            *lines, rest = (rest + piece.decode(errors="replace")).split("\n")
            self._lines.extend(line[:LINE_LIMIT] for line in lines)
            rest = rest[-LINE_LIMIT:]
        if rest:
            self._lines.append(rest)

    async def _await_exit(self) -> None:
        await self._process.wait()
        self.exited.set()
        # A grandchild may hold the pipe open; its words are not worth waiting for.
        await asyncio.wait((self._tasks[0],), timeout=0.5)
        self._tasks[0].cancel()
