"""The edge's end of the fork server, and of each Python version that it forks."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from phasegate.edge.runtime_modules import StartupFailed

PACKAGE_ROOT = str(Path(__file__).parents[2])
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
CONTROL_LINE = 1024 * 1024
PACKET = 65536
# A fork takes milliseconds; the first one waits for what is imported, on a machine that may be busy.
ANSWERS_WITHIN = 15.0  # seconds

Control = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Child(Protocol):
    """A process of a version; ``asyncio.subprocess.Process`` is one."""

    stdin: asyncio.StreamWriter | None
    stdout: asyncio.StreamReader | None
    stderr: asyncio.StreamReader | None

    @property
    def pid(self) -> int:
        """The process id."""

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative for a signal."""

    def terminate(self) -> None:
        """SIGTERM. Raises ProcessLookupError once it has ended."""

    def kill(self) -> None:
        """SIGKILL. Raises ProcessLookupError once it has ended."""

    async def wait(self) -> int:
        """Wait for its end; the return code."""


def child_environment(ours: Mapping[str, str]) -> dict[str, str]:
    """The few variables a version is given; nothing of ours that could be a secret."""
    kept = {name: ours[name] for name in PASSED_ON if name in ours}
    return {**kept, "PYTHONPATH": PACKAGE_ROOT, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}


class Forked:
    """One process that the fork server has forked."""

    def __init__(
        self,
        pid: int,
        control: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        errors: asyncio.StreamReader,
    ) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout: asyncio.StreamReader | None = control[0]
        self.stdin: asyncio.StreamWriter | None = control[1]
        self.stderr: asyncio.StreamReader | None = errors
        self._ended = asyncio.Event()

    def terminate(self) -> None:
        """As ``Child``."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """As ``Child``."""
        self._signal(signal.SIGKILL)

    async def wait(self) -> int:
        """As ``Child``."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def ended(self, code: int) -> None:
        """The fork server says that it is gone."""
        self.returncode = code
        self._ended.set()
        if self.stdin is not None:
            self.stdin.close()

    def _signal(self, number: signal.Signals) -> None:
        if self.returncode is not None:
            raise ProcessLookupError(self.pid)
        os.kill(self.pid, number)


class Forks:
    """
    Python versions, forked by a process that has imported what they need.

    That process is started with the first of them. If it dies, they die with it, and the next
    version starts another. If it no longer answers, they go on, and another forks what comes next.
    """

    def __init__(self) -> None:
        self._servers: list[_Server] = []
        self._starting = asyncio.Lock()

    async def fork(self, directory: Path) -> Forked:
        """A process in *directory* that reads its configuration. Raises StartupFailed if there is none."""
        forking = asyncio.create_task(self._fork(directory))
        try:
            return await asyncio.shield(forking)
        except asyncio.CancelledError:
            # An answer that nobody waits for would be taken for the next one's.
            forking.add_done_callback(_not_wanted)
            raise

    async def close(self) -> None:
        """End what forks; every version ends with it."""
        for server in self._servers:
            await server.end()

    async def _fork(self, directory: Path) -> Forked:
        async with self._starting:
            for server in [each for each in self._servers if each.over]:
                self._servers.remove(server)
                await server.end()
            if not self._servers or self._servers[-1].silent:
                self._servers.append(await _Server.start())
            server = self._servers[-1]
        return await server.fork(directory)


class _Server:
    def __init__(self, process: asyncio.subprocess.Process, channel: socket.socket) -> None:
        self._process = process
        self._channel = channel
        self._children: dict[int, Forked] = {}
        self._ended_early: dict[int, int] = {}
        self._answers: asyncio.Queue[int | None] = asyncio.Queue()
        self._asking = asyncio.Lock()
        self._listening = asyncio.create_task(self._listen())
        self._watched: dict[int, int] = {}
        self.silent = False

    @classmethod
    async def start(cls) -> "_Server":
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        program = (sys.executable, "-P", "-m", "phasegate.edge.fork_server")
        try:
            # Spawned on the loop's own thread: the kernel ties the child's life to the thread that forked it.
            process = await asyncio.create_subprocess_exec(
                *(*program, "--parent", str(os.getpid()), "--socket", str(its.fileno())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(its.fileno(),),
                env=child_environment(os.environ),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            its.close()
        return cls(process, ours)

    @property
    def over(self) -> bool:
        return self._listening.done()

    async def fork(self, directory: Path) -> Forked:
        control, its_control = socket.socketpair()
        errors, its_errors = os.pipe()
        asked = json.dumps({"directory": str(directory)}).encode()
        try:
            async with self._asking:
                pid = await self._asked(asked, [its_control.fileno(), its_errors])
        except BaseException:
            control.close()
            os.close(errors)
            raise
        finally:
            its_control.close()
            os.close(its_errors)
        child = Forked(
            pid, await asyncio.open_connection(sock=control, limit=CONTROL_LINE), await _reading(errors)
        )
        if (code := self._ended_early.pop(pid, None)) is not None:
            child.ended(code)
        elif self.over:
            child.ended(-signal.SIGKILL)
        else:
            self._children[pid] = child
        return child

    async def end(self) -> None:
        self._channel.close()
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self._listening.cancel()
        await asyncio.wait({self._listening})

    async def _asked(self, asked: bytes, descriptors: list[int]) -> int:
        if not self.over:
            with suppress(OSError):
                socket.send_fds(self._channel, [asked], descriptors)
            try:
                pid = await asyncio.wait_for(self._answers.get(), ANSWERS_WITHIN)
            except TimeoutError:
                # Its answer may still come, and would be taken for another one's.
                self._fall_silent()
                raise StartupFailed(
                    f"the process that starts Python versions has not answered for {ANSWERS_WITHIN:g} s; "
                    "the next version gets another one"
                ) from None
            if pid is not None:
                return pid
        raise StartupFailed(
            f"the process that starts Python versions has ended with code {await self._process.wait()}"
        )

    async def _listen(self) -> None:
        try:
            while packet := await self._heard():
                self._take(json.loads(packet))
        finally:
            # The kernel has ended the versions with it.
            for child in self._children.values():
                child.ended(-signal.SIGKILL)
            self._children.clear()
            for pid in [*self._watched]:
                self._gone(pid)
            self._answers.put_nowait(None)

    def _fall_silent(self) -> None:
        """It does not tell any more which of its versions has ended; the kernel does (pidfd_open(2))."""
        self.silent = True
        for pid in [*self._children]:
            try:
                self._watched[pid] = os.pidfd_open(pid)
            except ProcessLookupError:
                self._gone(pid)
            else:
                asyncio.get_running_loop().add_reader(self._watched[pid], self._gone, pid)

    def _gone(self, pid: int) -> None:
        if (descriptor := self._watched.pop(pid, None)) is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)
        if (child := self._children.pop(pid, None)) is not None:
            child.ended(-signal.SIGKILL)

    async def _heard(self) -> bytes:
        try:
            return await asyncio.get_running_loop().sock_recv(self._channel, PACKET)
        except OSError:
            return b""

    def _take(self, word: dict[str, Any]) -> None:
        if "pid" in word:
            self._answers.put_nowait(word["pid"])
        elif (child := self._children.pop(word["ended"], None)) is not None:
            child.ended(word["code"])
        else:
            self._ended_early[word["ended"]] = word["code"]


async def _reading(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=CONTROL_LINE)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
    )
    return reader


def _not_wanted(forking: asyncio.Task[Forked]) -> None:
    if not forking.cancelled() and not forking.exception():
        with suppress(ProcessLookupError):
            forking.result().kill()
