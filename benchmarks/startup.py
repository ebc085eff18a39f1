"""How long programs take to start, next to ``python -c pass`` in the same run."""

import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.figures import Figure

ROOT = Path(__file__).resolve().parent.parent
TIMES = 11
LIMIT = 60.0
PROGRAM = Path(sys.executable).with_name("phasegate")
PROGRAMS = {
    "python -c pass": (sys.executable, "-c", "pass"),
    "phasegate --help": (str(PROGRAM), "--help"),
}
IMPORT = {"import flows.release": (sys.executable, "-c", "import flows.release")}
IMPORT_TIMES = 3


def figures() -> tuple[Figure, ...]:
    """Median wall time of each program, in seconds; the programs take turns."""
    medians = {**_medians(PROGRAMS, TIMES), **_medians(IMPORT, IMPORT_TIMES)}
    bare = medians["python -c pass"]
    rows = [Figure("start-up", f"{name}, median", took, "s") for name, took in medians.items()]
    rows += [
        Figure("start-up", f"{name} / python -c pass", took / bare, "times")
        for name, took in medians.items()
        if name != "python -c pass"
    ]
    return tuple(rows)


def _medians(programs: Mapping[str, tuple[str, ...]], times: int) -> dict[str, float]:
    took: dict[str, list[float]] = {name: [] for name in programs}
    for command in programs.values():
        _run(command)  # the first start reads everything from the disk
    for _ in range(times):
        for name, command in programs.items():
            took[name].append(_run(command))
    return {name: statistics.median(values) for name, values in took.items()}


def _run(command: tuple[str, ...]) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, timeout=LIMIT)
    return time.perf_counter() - began
