"""Run somebody's program: no shell, none of our secrets, bounded in time and output, no child left."""

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LONGEST_OUTPUT = 1024 * 1024
DRAIN_LIMIT = 5.0
LOOK = 0.02

# What a program needs to run; everything else, and so every setting of ours, stays here.
_PASSED_ON = frozenset(
    {"PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "CI"}
    | {"SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"}
    | {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
)


@dataclass(frozen=True)
class Ran:
    """How a program ended: its exit code, the first mebibyte of each output, whether the limit ended it."""

    code: int | None
    out: str
    err: str
    killed: bool

    @property
    def last_words(self) -> str:
        """The last line of its standard error."""
        return next((line.strip()[:300] for line in reversed(self.err.splitlines()) if line.strip()), "")


async def run_program(command: tuple[str, ...], *, extra_env: dict[str, str], cwd: Path, limit: float) -> Ran:
    """
    Run *command* in *cwd* for at most *limit* seconds; its whole process group is killed at the end.

    It gets an allow-list of our environment and *extra_env*. Raises OSError when it cannot be started.
    """
    kept = {name: value for name, value in os.environ.items() if name in _PASSED_ON}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**kept, **extra_env, "PYTHONUNBUFFERED": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    outputs = [bytearray(), bytearray()]
    drains = [asyncio.create_task(_drain(*pair)) for pair in zip(_pipes(process), outputs, strict=True)]
    try:
        killed = await _overdue(process, limit)
        await asyncio.wait(drains, timeout=DRAIN_LIMIT)
    finally:
        for drain in drains:
            drain.cancel()
    out, err = (output.decode(errors="replace") for output in outputs)
    return Ran(process.returncode, out, err, killed)


def _pipes(process: asyncio.subprocess.Process) -> tuple[asyncio.StreamReader, ...]:
    return tuple(pipe for pipe in (process.stdout, process.stderr) if pipe is not None)


async def _overdue(process: asyncio.subprocess.Process, limit: float) -> bool:
    """Wait for the end of the program, kill what is left of its group; whether the limit was needed."""
    try:
        async with asyncio.timeout(limit):
            # Not ``process.wait()``: that also waits until nobody holds the pipes any more.
            while process.returncode is None:  # noqa: ASYNC110
                await asyncio.sleep(LOOK)
    except TimeoutError:
        return True
    finally:
        _kill_group(process.pid)
    return False


def _kill_group(pid: int) -> None:
    """End the program and whatever it started; a group that is gone is what we want."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


async def _drain(stream: asyncio.StreamReader, kept: bytearray) -> None:
    """Read to the end and keep the first mebibyte: a program must not block on a full pipe."""
    while chunk := await stream.read(65536):
        kept += chunk[: max(0, LONGEST_OUTPUT - len(kept))]
