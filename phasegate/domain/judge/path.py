"""How the evidence went, kept short enough to be stored and drawn."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log
from typing import Any

MOST = 96
_MICROSECOND = timedelta(microseconds=1)


Point = tuple[datetime, float]


@dataclass(frozen=True, slots=True)
class Path:
    """Points ``(end of the interval, log10 E)``; when there are too many every second one is dropped."""

    points: tuple[Point, ...] = ()
    every: int = 1
    seen: int = 0
    newest: Point | None = None

    def add(self, at: datetime, log_evidence: float) -> "Path":
        """Take the evidence after one interval."""
        newest, seen = (at, round(log_evidence / log(10), 3)), self.seen + 1
        if self.seen % self.every:
            return Path(self.points, self.every, seen, newest)
        points = (*self.points, newest)
        if len(points) < MOST:
            return Path(points, self.every, seen, newest)
        return Path(points[::2], 2 * self.every, seen, newest)

    @property
    def shown(self) -> tuple[Point, ...]:
        """The points and the newest, which is always told."""
        if self.newest is None or self.points[-1] == self.newest:
            return self.points
        return (*self.points, self.newest)

    def state(self) -> list[Any]:
        """As plain values."""
        if self.newest is None:
            return [None, [], self.every, self.seen]
        zero = self.points[0][0]
        told = [[(at - zero) // _MICROSECOND, value] for at, value in (*self.points, self.newest)]
        return [zero.isoformat(), told, self.every, self.seen]

    @classmethod
    def load(cls, state: list[Any]) -> "Path":
        """Read what :meth:`state` wrote."""
        zero, told, every, seen = state
        if zero is None:
            return cls()
        at = datetime.fromisoformat(zero)
        *points, newest = ((at + since * _MICROSECOND, value) for since, value in told)
        return cls(tuple(points), every, seen, newest)


UNTRODDEN = Path()
