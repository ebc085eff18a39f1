"""In which order observations reach the judge: as they became known, whoever asks and when."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from phasegate.domain.judge.judge import Judge
from phasegate.domain.observation import Minute, Probe


@dataclass(frozen=True, slots=True)
class Entry:
    """A phase begins to be watched."""

    phase: str
    since: datetime


Seen = Entry | Minute | Probe


def in_order(
    entries: Iterable[Entry], minutes: Iterable[Minute], probes: Iterable[Probe], *, settle: timedelta
) -> list[tuple[datetime, Seen]]:
    """
    Everything seen with the moment it became known, in that order.

    An interval becomes known *settle* after its end. One that was still running, or not settled,
    when a phase began reaches the judge after that: a judge that folds what is stored and one
    that has watched all along agree. At the same instant the interval comes before the phase.
    Synthetic requests are counted by their sender, who waits for nothing: they are known at once.
    """
    known: list[tuple[datetime, int, Seen]] = [
        (minute.end if minute.synthetic else minute.end + settle, 0, minute) for minute in minutes
    ]
    known += [(entry.since, 1, entry) for entry in entries]
    known += [(probe.at, 2, probe) for probe in probes]
    return [(at, what) for at, _, what in sorted(known, key=lambda item: item[:2])]


def feed(judge: Judge, what: Seen) -> None:
    """Give the judge one thing that was seen; it must have entered a phase unless this is the entry."""
    match what:
        case Entry():
            judge.enter(what.phase, what.since)
        case Minute(synthetic=True):
            judge.answered(what)
        case Minute():
            judge.add(what)
        case Probe():
            judge.probe(what)
