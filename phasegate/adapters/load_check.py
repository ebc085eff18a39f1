"""The staging load test: the load generator as a program of its own, its report as a plain mapping."""

import json
import sys
from pathlib import Path
from typing import Any

from phasegate.adapters.load_plan import BAD_INPUT
from phasegate.adapters.program import Ran, run_program
from phasegate.domain.errors import FixTheInput
from phasegate.domain.phase import Load
from phasegate.domain.quantities import format_duration

# Start-up, the session, the setup requests and the last answers come on top of the load itself.
GRACE = 60.0
_KEPT = ("seconds", "sent", "completed", "failed", "dropped", "statuses", "errors", "error_rate")
_RENAMED = {"p50": "p50_ms", "p95": "p95_ms", "p99": "p99_ms", "lag": "lag_p99_ms"}


async def run_load_check(url: str, load: Load, *, project: Path) -> dict[str, object]:
    """
    Send *load* to *url* and say what came back.

    The mapping holds ``sent``, ``failed``, ``error_rate`` (a fraction), ``p50``, ``p95``,
    ``p99`` and the generator's own ``lag`` (P99), all in milliseconds, ``statuses``, ``errors``,
    and ``conclusive`` with a ``reason``. A generator that failed or was slow is inconclusive:
    it neither passes nor fails a release. Raises FixTheInput when the mix cannot be used.

    It runs in its own process, so that no other work of this one delays its starts.
    """
    command = _command(url, load, mix=project / load.mix)
    limit = load.duration.total_seconds() + GRACE
    ran = await run_program(command, extra_env={}, cwd=project, limit=limit)
    if ran.code == BAD_INPUT and not ran.killed:
        raise FixTheInput(f"the load test cannot run: {ran.err.strip()[:1000]}")
    report = _report(ran)
    if report is None:
        return {"conclusive": False, "reason": _why(ran, limit=format_duration(load.duration))}
    kept = {name: report[name] for name in _KEPT}
    return {**kept, **{new: report[old] for new, old in _RENAMED.items()}, **_conclusion(report)}


def _command(url: str, load: Load, *, mix: Path) -> tuple[str, ...]:
    options = {
        "--url": url,
        "--rate": str(load.rate),
        "--seconds": str(load.duration.total_seconds()),
        "--mix": str(mix.absolute()),
    }
    return (
        sys.executable,
        "-m",
        "phasegate.adapters.load",
        *(word for pair in options.items() for word in pair),
    )


def _report(ran: Ran) -> dict[str, Any] | None:
    if ran.killed or ran.code != 0:
        return None
    try:
        report = json.loads(ran.out)
    except ValueError:
        return None
    return report if isinstance(report, dict) else None


def _conclusion(report: dict[str, Any]) -> dict[str, object]:
    return {"conclusive": bool(report["conclusive"]), "reason": str(report["reason"])}


def _why(ran: Ran, *, limit: str) -> str:
    if ran.killed:
        return f"the load generator did not end: {limit} of load took more than a minute longer"
    return f"the load generator ended with {ran.code}: {ran.last_words or 'without a word'}"
