"""The validation program: run without a shell, bounded, without our secrets, its lines read as results."""

import asyncio
import os
import re
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from phasegate.domain.checklist import Outcome, Result
from phasegate.domain.phase import Validation
from phasegate.domain.quantities import format_duration
from phasegate.ports import Clock

WHOLE = "validation"
LONGEST_OUTPUT = 1024 * 1024
DRAIN_LIMIT = 5.0
LOOK = 0.02

_LINE = re.compile(r"^(?:(ok)|(FAILED)) ([a-z0-9-]+)(?::\s*(.*))?$")
# The program is somebody else's: it gets what a program needs to run, and none of our settings.
_PASSED_ON = frozenset(
    {"PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "CI"}
    | {"SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"}
    | {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
)


@dataclass(frozen=True)
class _Ran:
    code: int | None
    out: str
    err: str
    killed: bool


async def run_validation(
    url: str, validation: Validation, *, project: Path, clock: Clock
) -> tuple[Result, ...]:
    """
    Run *validation*'s command in *project* with STAGING_URL set to *url*.

    The command is a list, never given to a shell; ``{python}`` stands for the
    running interpreter. Each line ``ok <key>`` or ``FAILED <key>: why`` of its
    output becomes a result; a key that failed once stays failed. Result
    ``validation`` says how the program itself ended, unless a line has failed.
    After the time limit its whole process group is killed.
    """
    command = tuple(part.replace("{python}", sys.executable) for part in validation.command)
    try:
        ran = await _run(command, _environment(url), project=project, limit=validation.limit.total_seconds())
    except OSError as error:
        why = f"{command[0]!r} could not be started in {project}: {error.strerror or error}"
        return (Result(key=WHOLE, outcome=Outcome.FAILED, detail=why, at=clock.now()),)
    results = _read(ran.out)
    ending = _ending(ran, results, limit=format_duration(validation.limit))
    stamped = (*results.values(), *((ending,) if ending else ()))
    return tuple(result.model_copy(update={"at": clock.now()}) for result in stamped)


def _environment(url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in _PASSED_ON}
    return {**kept, "STAGING_URL": url, "PYTHONUNBUFFERED": "1"}


async def _run(command: tuple[str, ...], env: dict[str, str], *, project: Path, limit: float) -> _Ran:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=project,
        env=env,
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
    return _Ran(process.returncode, out, err, killed)


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


def _read(out: str) -> dict[str, Result]:
    results: dict[str, Result] = {}
    for line in out.splitlines():
        if not (found := _LINE.match(line.strip())):
            continue
        ok, _, key, detail = found.groups()
        if key in results and results[key].outcome is Outcome.FAILED:
            continue
        outcome = Outcome.PASSED if ok else Outcome.FAILED
        results[key] = Result(key=key, outcome=outcome, detail=detail or "")
    return results


def _ending(ran: _Ran, results: dict[str, Result], *, limit: str) -> Result | None:
    """How the program ended; None when a failed line has already said it."""
    if ran.killed:
        return Result(key=WHOLE, outcome=Outcome.FAILED, detail=f"ended after its limit of {limit}")
    if any(result.outcome is Outcome.FAILED for result in results.values()):
        return None
    if ran.code == 0:
        return Result(key=WHOLE, outcome=Outcome.PASSED, detail=f"{len(results)} checks, exit code 0")
    last = next((line.strip() for line in reversed(ran.err.splitlines()) if line.strip()), "")
    why = f"exit code {ran.code}" + (f": {last[:300]}" if last else "")
    return Result(key=WHOLE, outcome=Outcome.FAILED, detail=why)
