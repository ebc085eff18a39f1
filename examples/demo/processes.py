"""Programs that the demo starts: each in its own group, logged, and ended by its id."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1
STOP_LIMIT = 15.0
# By this the programs are known that ours have started in sessions of their own, as Prefect's worker does.
MARK = "DEMO_PROGRAMS_OF"


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
        self.env = {**env, MARK: str(logs)}
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

    def end(self, name: str) -> None:
        """End one program and its group."""
        for known, process in [item for item in self._running if item[0] == name]:
            _end(process)
            self._running.remove((known, process))

    def end_all(self) -> None:
        """End every program, the last one first, and then what they have left behind."""
        for name, _ in reversed(tuple(self._running)):
            self.end(name)
        for process in _left(f"{MARK}={self.logs}"):
            # Its server is gone, so there is nobody to whom it could still report.
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def _left(mark: str) -> list[int]:
    """The processes that carry *mark* in their environment; none where the system has no ``/proc``."""
    return [int(each.name) for each in Path("/proc").glob("[0-9]*") if _carries(each, mark)]


def _carries(process: Path, mark: str) -> bool:
    try:
        return mark.encode() in (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


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
