"""The validation program: run, its lines read as results."""

import re
import sys
from pathlib import Path

from phasegate.adapters.program import Ran, run_program
from phasegate.domain.checklist import Outcome, Result
from phasegate.domain.phase import Validation
from phasegate.domain.quantities import format_duration
from phasegate.ports import Clock

WHOLE = "validation"
_LINE = re.compile(r"^(?:(ok)|(FAILED)) ([a-z0-9-]+)(?::\s*(.*))?$")


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
        ran = await run_program(
            command,
            extra_env={"STAGING_URL": url},
            cwd=project,
            limit=validation.limit.total_seconds(),
        )
    except OSError as error:
        why = f"{command[0]!r} could not be started in {project}: {error.strerror or error}"
        return (Result(key=WHOLE, outcome=Outcome.FAILED, detail=why, at=clock.now()),)
    results = _read(ran.out)
    ending = _ending(ran, results, limit=format_duration(validation.limit))
    stamped = (*results.values(), *((ending,) if ending else ()))
    return tuple(result.model_copy(update={"at": clock.now()}) for result in stamped)


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


def _ending(ran: Ran, results: dict[str, Result], *, limit: str) -> Result | None:
    """How the program ended; None when a failed line has already said it."""
    if ran.killed:
        return Result(key=WHOLE, outcome=Outcome.FAILED, detail=f"ended after its limit of {limit}")
    if any(result.outcome is Outcome.FAILED for result in results.values()):
        return None
    if ran.code == 0:
        return Result(key=WHOLE, outcome=Outcome.PASSED, detail=f"{len(results)} checks, exit code 0")
    why = f"exit code {ran.code}" + (f": {ran.last_words}" if ran.last_words else "")
    return Result(key=WHOLE, outcome=Outcome.FAILED, detail=why)
