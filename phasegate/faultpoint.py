"""
Named moments at which a process can be made to die, so that a test can end it at every one of them.

Nothing is armed unless a test arms it, or ``PHASEGATE_KILL_AT`` is set to ``NAME#N``: then the N-th
time that NAME is reached the process ends itself with SIGKILL, as a lost host would. With
``PHASEGATE_STOP_AT`` it stops there (SIGSTOP) until it gets SIGCONT, so that something else can be
killed meanwhile; ``PHASEGATE_POINTS_TO`` names a file to which every name is added. The names are
``before`` or ``after`` with ``event KIND`` for each write of the ledger and ``METHOD path`` for each
call of the platform's API, Worker names left out.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

KILL_AT, STOP_AT, POINTS_TO = "PHASEGATE_KILL_AT", "PHASEGATE_STOP_AT", "PHASEGATE_POINTS_TO"
Reached = Callable[[str], None]
_armed: Reached | None = None


def reach(when: str, *what: str) -> None:
    """Say that the process is *when* (``before``, ``after``) *what*; one comparison when not armed."""
    if _armed is not None:
        _armed(" ".join((when, *what)))


def arm(action: Reached | None) -> None:
    """Have *action* called with each name from now on; None ends that."""
    global _armed  # noqa: PLW0603 - one switch for a whole process is the point
    _armed = action


@dataclass
class Kill:
    """Sends *number* to process *pid* (0: this one) the *nth* time that *name* is reached."""

    name: str
    nth: int = 1
    pid: int = 0
    number: signal.Signals = signal.SIGKILL
    seen: Counter[str] = field(default_factory=Counter)

    def __call__(self, name: str) -> None:
        """Count *name*."""
        self.seen[name] += 1
        if name == self.name and self.seen[name] == self.nth:
            os.kill(self.pid or os.getpid(), self.number)


def note(file: Path, name: str) -> None:
    """Add *name* to *file*, which several processes may write."""
    with file.open("a") as out:
        out.write(f"{name}\n")


def read(text: str, number: signal.Signals = signal.SIGKILL) -> Kill | None:
    """What ``PHASEGATE_KILL_AT`` asks for: ``NAME`` or ``NAME#N``; None when it is empty."""
    name, _, nth = text.partition("#")
    return Kill(name.strip(), int(nth or 1), number=number) if name.strip() else None


def asked(env: Mapping[str, str]) -> Reached | None:
    """What the environment asks for, one thing at most; None when nothing."""
    if file := env.get(POINTS_TO):
        return partial(note, Path(file))
    return read(env.get(KILL_AT, "")) or read(env.get(STOP_AT, ""), signal.SIGSTOP)


arm(asked(os.environ))
