"""Programs that the demo starts: each in its own group, logged, and ended by its id."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1
STOP_LIMIT = 15.0


class StartError(Exception):
    """A program did not come up; the message ends with its last words."""


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Processes:
    """Starts programs and ends all of them in reverse order, however the demo ends."""

    def __init__(self, logs: Path, env: dict[str, str]) -> None:
        self.logs = logs
        self.env = env
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, name: str, *arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Run ``python ARGUMENTS`` in the background; its output goes to ``NAME.log``."""
        log = (self.logs / f"{name}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # The demo has one thread, and a killed demo must not leave its programs behind.
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )
        log.close()
        self._running.append((name, process))
        return process

    def run(self, name: str, *arguments: str, limit: float = 120) -> str:
        """Run ``python ARGUMENTS`` to its end and return what it printed; StartError when it fails."""
        done = subprocess.run(
            [sys.executable, *arguments],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
        (self.logs / f"{name}.log").write_text(done.stdout + done.stderr)
        if done.returncode:
            raise StartError(f"{name} ended with {done.returncode}: {(done.stderr or done.stdout)[-1500:]}")
        return done.stdout

    def wait_until(self, name: str, ready: Callable[[], bool], *, limit: float) -> None:
        """Wait until *ready* says so; StartError with the program's last words when it does not come up."""
        process = next(process for known, process in self._running if known == name)
        deadline = time.monotonic() + limit
        while not ready():
            if process.poll() is not None:
                raise StartError(f"{name} ended with {process.returncode}: {self.last_words(name)}")
            if time.monotonic() > deadline:
                raise StartError(f"{name} was not ready within {limit:.0f} s: {self.last_words(name)}")
            time.sleep(0.1)

    def last_words(self, name: str) -> str:
        """The end of a program's log."""
        return (self.logs / f"{name}.log").read_text(errors="replace")[-1500:]

    def runs(self, name: str) -> bool:
        """Whether a program was started and neither ended nor lost since."""
        return any(known == name for known, _ in self._running)

    def pid(self, name: str) -> int:
        """The id of a program."""
        return next(process for known, process in self._running if known == name).pid

    def lose(self, *names: str) -> None:
        """Kill programs with all that they have started, as when their host loses its power."""
        lost = [item for item in self._running if item[0] in names]
        for pid in descendants(process.pid for _, process in lost):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for item in lost:
            item[1].wait()
            self._running.remove(item)

    def end(self, name: str) -> None:
        """End one program and its group."""
        for known, process in [item for item in self._running if item[0] == name]:
            _end(process)
            self._running.remove((known, process))

    def end_all(self) -> None:
        """End every program, the last one first."""
        for name, _ in reversed(tuple(self._running)):
            self.end(name)


def descendants(pids: Iterable[int]) -> set[int]:
    """Processes with all that they have started, whose groups may be their own."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
    found, new = set(), set(pids)
    while new:
        found |= new
        new = {pid for pid, parent in parents.items() if parent in new} - found
    return found


def _end(process: subprocess.Popen[bytes]) -> None:
    _signal(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        _signal(process.pid, signal.SIGKILL)
        process.wait()
    # What the program left in its group (a flow run of the worker) goes with it.
    _signal(process.pid, signal.SIGKILL)


def _signal(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return
