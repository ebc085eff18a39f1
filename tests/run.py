"""
Every test, once: ``python -m tests.run``.

The end-to-end tests come first, then the others that watch real programs in real time; each has the two cores
that it needs. What is patient runs beside both on the time that they leave over.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from tests.groups import TESTS, Group, files_of

ONE_AFTER_THE_OTHER = (Group.E2E, Group.REAL)
BESIDE = Group.PATIENT
PROCESSES = {Group.E2E: 3, Group.REAL: 6, Group.PATIENT: 3}
ENDS_WITHIN = 30.0
AUTOGROUP = Path("/proc/self/autogroup")
INTERRUPTED = 130


@dataclass(frozen=True)
class Run:
    """A group on its way: its pytest, where that tells its counts, and when it began (epoch seconds)."""

    group: Group
    process: subprocess.Popen[bytes]
    counts: Path
    began: float

    def told(self) -> str:
        """How it ended: exit code, counts and seconds; waits for it."""
        code = self.process.wait()
        counts = json.loads(self.counts.read_text()) if self.counts.exists() else {}
        ended = self.counts.stat().st_mtime if counts else time.time()
        counted = ", ".join(f"{number} {outcome}" for outcome, number in counts.items()) or "nothing was run"
        how = "well" if code == 0 else f"FAILED ({code})"
        return f"{self.group:<8} {how}: {counted} in {ended - self.began:.0f} s"

    def end(self) -> None:
        """End it with all that it has started; its own tests may clean up first."""
        if self.process.poll() is None:
            _signal(self.process.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(ENDS_WITHIN)
        _signal(self.process.pid, signal.SIGKILL)
        self.process.wait()


def begin(group: Group, home: Path, *, out: IO[bytes] | None = None) -> Run:
    """Start pytest on the files of *group*; with *out* it goes there, and runs on what time is left over."""
    counts = home / f"{group}.json"
    files = [str(file.relative_to(TESTS.parent)) for file in files_of(group)]
    shared = ("--dist", "loadfile", "--no-loadscope-reorder", "-n", str(PROCESSES[group]))
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *shared, "--counts", str(counts), *files],
        cwd=TESTS.parent,
        stdout=out,
        stderr=subprocess.STDOUT if out else None,
        # A session of its own can be ended as a whole, and the scheduler weighs it as a whole.
        start_new_session=True,
        preexec_fn=_stand_back if out else None,  # noqa: PLW1509  # this program has one thread
    )
    return Run(group, process, counts, time.time())


def main() -> int:
    """Run all groups and say how each ended; 1 when one did not end well, 130 when interrupted."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    with ExitStack() as ending:
        home = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="phasegate-tests-")))
        aside = ending.enter_context((home / "patient.log").open("w+b"))
        try:
            beside = begin(BESIDE, home, out=aside)
            ending.callback(beside.end)
            said = []
            for group in ONE_AFTER_THE_OTHER:
                run = begin(group, home)
                ending.callback(run.end)
                said.append((run.told(), run.process.returncode))
            said.append((beside.told(), beside.process.returncode))
        except KeyboardInterrupt:
            print("interrupted: ending every test", file=sys.stderr)
            return INTERRUPTED
        print(Path(aside.name).read_text(errors="replace"))
    print(*(line for line, _ in said), sep="\n")
    return int(any(code for _, code in said))


def _interrupted(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _stand_back() -> None:
    """
    Run only when nobody else wants to.

    Where Linux weighs sessions (autogroups, sched(7)), a process's class counts for nothing against another
    session's processes; the session's own niceness does.
    """
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.nice(19)
    with suppress(OSError):
        AUTOGROUP.write_text("19")


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main())
