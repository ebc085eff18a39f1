"""How the evidence went, kept short enough to be stored and drawn."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log
from typing import Any

MOST = 96
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Path:
    """Points ``(end of the interval, log10 E)``; when there are too many every second one is dropped."""

    points: tuple[tuple[datetime, float], ...] = ()
    every: int = 1
    seen: int = 0

    def add(self, at: datetime, log_evidence: float) -> "Path":
        """Take the evidence after one interval."""
        if self.seen % self.every:
            return Path(self.points, self.every, self.seen + 1)
        points = (*self.points, (at, round(log_evidence / log(10), 3)))
        if len(points) < MOST:
            return Path(points, self.every, self.seen + 1)
        return Path(points[::2], 2 * self.every, self.seen + 1)

    def state(self) -> list[Any]:
        """As plain values."""
        if not self.points:
            return [None, [], self.every, self.seen]
        zero = self.points[0][0]
        told = [[(at - zero) // _MICROSECOND, value] for at, value in self.points]
        return [zero.isoformat(), told, self.every, self.seen]

    @classmethod
    def load(cls, state: list[Any]) -> "Path":
        """Read what :meth:`state` wrote."""
        zero, told, every, seen = state
        at = datetime.fromisoformat(zero) if zero else datetime.min
        return cls(tuple((at + since * _MICROSECOND, value) for since, value in told), every, seen)


UNTRODDEN = Path()
