"""Each live version is a real process that serves HTTP on a Unix socket of its own."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from phasegate.edge.forks import Forks
from phasegate.edge.model import VersionRecord
from phasegate.edge.runtime_launch import Launch, Places, prepare
from phasegate.edge.runtime_modules import StartupFailed
from phasegate.edge.runtime_process import VersionProcess

__all__ = ["NotServing", "Runtime", "StartupFailed"]

SOCKET_PATH_LIMIT = 100
FIRST_BACK_OFF = 0.25
LONGEST_BACK_OFF = 5.0
STEADY_AFTER = 30.0


class NotServing(Exception):
    """A version is not known here, or has died and is not up again yet."""


@dataclass
class _Entry:
    version: VersionRecord
    launch: Launch
    process: VersionProcess | None = None
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    exits: int = 0
    deaths_in_a_row: int = 0
    started_at: float = 0.0
    died_at: float = 0.0
    used_at: float = 0.0

    @property
    def live(self) -> bool:
        return self.process is not None and self.process.alive

    def back_off(self) -> float:
        """Seconds after a death in which it is not started again; the first restart is immediate."""
        if self.deaths_in_a_row <= 1:
            return 0.0
        # The exponent is capped: a version that dies for days would overflow a float.
        return min(FIRST_BACK_OFF * 2.0 ** min(self.deaths_in_a_row - 2, 10), LONGEST_BACK_OFF)


class Runtime:
    """
    The running versions.

    At most *max_live* processes exist; a further start ends the one that was idle
    longest and for which ``keep(version_id)`` is false. Such a version sleeps: the next
    request starts it again. A version that dies is also started by the next request,
    at once after its first death and with a growing back-off after the next ones.
    Python is run by this edge's own program, JavaScript by *workerd*, whose databases
    and files are served on the Unix socket *inside*.
    """

    def __init__(
        self,
        *,
        d1_socket: Path,
        workdir: Path,
        inside: Path | None = None,
        workerd: Path | None = None,
        max_live: int = 12,
        startup_limit: timedelta = timedelta(seconds=10),
    ) -> None:
        self.keep: Callable[[str], bool] = lambda _: False
        self._forks = Forks()
        self._places = Places(d1_socket, inside or workdir / "inside.sock", workerd, self._forks)
        self._max_live = max_live
        self._limit = startup_limit
        self._entries: dict[str, _Entry] = {}
        workdir.mkdir(parents=True, exist_ok=True)
        self._modules = Path(tempfile.mkdtemp(prefix="modules-", dir=workdir))
        self._sockets = _socket_directory(workdir)
        self._closed = False
        self._launching: set[str] = set()
        self._watching: set[asyncio.Task[None]] = set()

    async def start(self, version: VersionRecord) -> None:
        """
        Have *version* serve; a version that already does is left alone.

        Raises StartupFailed with the last error line of a version that throws, exits
        or is not ready in time, and for bundles this edge cannot run.
        """
        entry = self._entries.get(version.id)
        if entry is None:
            entry = self._entries[version.id] = self._prepare(version)
        try:
            await self._up(entry)
        except BaseException:
            if not entry.started_at:
                await self.stop(version.id)
            raise

    def address(self, version_id: str) -> str:
        """The path of the Unix socket of a live version. Raises NotServing when it is not live."""
        entry = self._entries.get(version_id)
        if entry is None or not entry.live:
            raise NotServing(f"version {version_id} is not running")
        entry.used_at = asyncio.get_running_loop().time()
        return str(entry.launch.socket)

    async def reach(self, version_id: str) -> str:
        """As ``address``, but starts a version that died or sleeps. Raises NotServing while it backs off."""
        entry = self._entries.get(version_id)
        if entry is None or self._closed:
            raise NotServing(f"version {version_id} is not running")
        if not entry.live:
            self._refuse_while_backing_off(entry)
            try:
                await self._up(entry)
            except StartupFailed as error:
                raise NotServing(f"version {version_id} does not come up again: {error}") from error
        return self.address(version_id)

    def find(self, script: str, prefix: str) -> str | None:
        """The id of the version of *script* whose id starts with *prefix*, if one was started here."""
        for version_id, entry in self._entries.items():
            if entry.version.script == script and version_id.startswith(prefix):
                return version_id
        return None

    @property
    def running(self) -> tuple[str, ...]:
        """The ids of the versions that are live."""
        return tuple(version_id for version_id, entry in self._entries.items() if entry.live)

    def exits(self, version_id: str) -> int:
        """How often this version's process ended without being told to."""
        entry = self._entries.get(version_id)
        return entry.exits if entry else 0

    def pid(self, version_id: str) -> int | None:
        """The process id of a live version."""
        entry = self._entries.get(version_id)
        return entry.process.pid if entry and entry.process and entry.live else None

    def memory(self, version_id: str) -> int:
        """Bytes that a live version holds in memory; 0 for one that is not live."""
        entry = self._entries.get(version_id)
        return entry.process.memory if entry and entry.process and entry.live else 0

    def describe(self) -> list[dict[str, Any]]:
        """The live versions: ``{id, script, pid, memory (bytes), exits}``."""
        return [
            {
                "id": version_id,
                "script": self._entries[version_id].version.script,
                "pid": self.pid(version_id),
                "memory": self.memory(version_id),
                "exits": self.exits(version_id),
            }
            for version_id in self.running
        ]

    def lines(self, version_id: str) -> tuple[str, ...]:
        """The last lines a version wrote to its output."""
        entry = self._entries.get(version_id)
        return entry.process.lines if entry and entry.process else ()

    async def rest(self, version_id: str) -> None:
        """End a version's process but keep its modules: the next request starts it again."""
        entry = self._entries.get(version_id)
        if entry is not None:
            async with entry.starting:
                await self._end(entry)

    async def stop(self, version_id: str) -> None:
        """End a version and forget it."""
        entry = self._entries.pop(version_id, None)
        if entry is None:
            return
        async with entry.starting:
            await self._end(entry)
        await asyncio.to_thread(shutil.rmtree, entry.launch.root, ignore_errors=True)

    async def close(self) -> None:
        """End every version and remove what was written."""
        self._closed = True
        await asyncio.gather(*(self.stop(version_id) for version_id in tuple(self._entries)))
        await asyncio.gather(*self._watching)
        await self._forks.close()
        for directory in (self._modules, self._sockets):
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    def _prepare(self, version: VersionRecord) -> _Entry:
        if self._closed:
            raise StartupFailed("the edge is closing")
        root = Path(tempfile.mkdtemp(prefix=f"{version.id[:8]}-", dir=self._modules))
        socket = self._sockets / f"{root.name}.sock"
        try:
            return _Entry(version, prepare(version, root=root, socket=socket, places=self._places))
        except StartupFailed:
            shutil.rmtree(root, ignore_errors=True)
            raise

    def _refuse_while_backing_off(self, entry: _Entry) -> None:
        left = entry.died_at + entry.back_off() - asyncio.get_running_loop().time()
        if entry.deaths_in_a_row and left > 0:
            raise NotServing(f"version {entry.version.id} died; it is started again in {left:.2f} s")

    async def _up(self, entry: _Entry) -> None:
        async with entry.starting:
            if entry.live:
                return
            if self._entries.get(entry.version.id) is not entry:
                raise StartupFailed("the version was stopped")
            self._launching.add(entry.version.id)
            try:
                await self._make_room()
                await self._launch(entry)
            finally:
                self._launching.discard(entry.version.id)

    async def _launch(self, entry: _Entry) -> None:
        loop = asyncio.get_running_loop()
        try:
            process = await VersionProcess.launch(entry.launch, limit=self._limit)
        except StartupFailed:
            if entry.started_at:
                self._count_death(entry)
            raise
        entry.process = process
        entry.started_at = entry.used_at = loop.time()
        watch = asyncio.create_task(self._watch(entry, process))
        self._watching.add(watch)
        watch.add_done_callback(self._watching.discard)

    async def _watch(self, entry: _Entry, process: VersionProcess) -> None:
        await process.exited.wait()
        if entry.process is not process:
            return
        entry.exits += 1
        if asyncio.get_running_loop().time() - entry.started_at > STEADY_AFTER:
            entry.deaths_in_a_row = 0
        self._count_death(entry)

    def _count_death(self, entry: _Entry) -> None:
        entry.deaths_in_a_row += 1
        entry.died_at = asyncio.get_running_loop().time()

    async def _make_room(self) -> None:
        """End idle versions until one more process may exist; those being launched count."""
        while len(self.running) + len(self._launching) > self._max_live:
            idle = [
                entry for entry in self._entries.values() if entry.live and not self.keep(entry.version.id)
            ]
            if not idle:
                live = ", ".join(self.running)
                raise StartupFailed(f"{self._max_live} versions may run at once, and none is idle: {live}")
            await self._end(min(idle, key=lambda entry: entry.used_at))

    async def _end(self, entry: _Entry) -> None:
        # Cleared first: a process that is told to end did not die.
        process, entry.process = entry.process, None
        if process is not None:
            await process.end()


def _socket_directory(workdir: Path) -> Path:
    """Below *workdir*, or in the system's temporary directory: a socket's path has at most 107 bytes."""
    near = len(str(workdir.resolve())) <= SOCKET_PATH_LIMIT - 40
    return Path(tempfile.mkdtemp(prefix="edge-", dir=workdir.resolve() if near else None))
