"""
The invocations that the edge keeps, by time.

A minute owns the table of its *series* (everything about an event except its time and its
durations), so that ids in paths leave memory with the minute that saw them.
"""

import time
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from phasegate.edge.model import Invocation

RETENTION = timedelta(hours=2)
MOST_EVENTS = 5_000_000
_MINUTE = 60


class Series(NamedTuple):
    """What an event shares with many others; *sample* is how many invocations each kept one stands for."""

    script: str
    version_id: str
    method: str
    path: str
    status: int
    outcome: str
    sample: float
    agent: str = ""


class Row(NamedTuple):
    """One kept event: epoch milliseconds, wall and CPU milliseconds."""

    at_ms: float
    wall_ms: float
    cpu_ms: float


@dataclass(slots=True)
class Columns:
    """The events of one second."""

    series: "array[int]" = field(default_factory=lambda: array("I"))
    at: "array[float]" = field(default_factory=lambda: array("d"))
    wall: "array[float]" = field(default_factory=lambda: array("f"))
    cpu: "array[float]" = field(default_factory=lambda: array("f"))

    def rows(self) -> Iterator[tuple[int, float, float, float]]:
        """Series number, epoch milliseconds, wall and CPU milliseconds of each event."""
        return zip(self.series, self.at, self.wall, self.cpu, strict=True)


@dataclass(slots=True)
class Minute:
    """The events of one minute and the table of their series."""

    numbers: dict[Series, int] = field(default_factory=dict)
    series: list[Series] = field(default_factory=list)
    seconds: dict[int, Columns] = field(default_factory=dict)

    def add(self, series: Series, invocation: Invocation) -> None:
        """Keep *invocation* as an event of *series*."""
        number = self.numbers.get(series)
        if number is None:
            number = self.numbers[series] = len(self.series)
            self.series.append(series)
        second = int(invocation.at)
        columns = self.seconds.get(second)
        if columns is None:
            columns = self.seconds[second] = Columns()
        columns.series.append(number)
        columns.at.append(float(int(invocation.at * 1000)))
        columns.wall.append(invocation.wall_ms)
        columns.cpu.append(invocation.cpu_ms)

    def rows(self, from_ms: float, to_ms: float) -> Iterator[tuple[int, float, float, float]]:
        """The events with ``from_ms <= at < to_ms``."""
        for second, columns in self.seconds.items():
            start = second * 1000
            if start >= to_ms or start + 1000 <= from_ms:
                continue
            if from_ms <= start and start + 1000 <= to_ms:
                yield from columns.rows()
            else:
                yield from (row for row in columns.rows() if from_ms <= row[1] < to_ms)

    def __len__(self) -> int:
        return sum(len(columns.series) for columns in self.seconds.values())


class Telemetry:
    """
    Events of the last two hours (five million at most), of which one in *sampling* is kept.

    Sampling counts per version, so that it is the same in every run. Events younger than
    *lag* exist but are not shown, as with the real service.
    """

    def __init__(self, *, lag: timedelta = timedelta(0), sampling: float = 1.0) -> None:
        self.lag = lag
        self.sampling = sampling
        self._minutes: OrderedDict[int, Minute] = OrderedDict()
        self._due: dict[str, float] = {}
        self._events = 0

    def record(self, invocation: Invocation) -> None:
        """Keep *invocation*, if it is one of those to be kept."""
        if self.sampling > 1.0 and not self._is_kept(invocation.version_id):
            return
        number = int(invocation.at) // _MINUTE
        minute = self._minutes.get(number) or self._open(number)
        series = Series(
            invocation.script,
            invocation.version_id,
            invocation.method,
            invocation.path,
            invocation.status,
            invocation.outcome,
            self.sampling,
            invocation.agent,
        )
        minute.add(series, invocation)
        self._events += 1

    def minutes(
        self, from_ms: float, to_ms: float, *, lag: timedelta | None = None
    ) -> Iterator[tuple[list[Series], Iterator[tuple[int, float, float, float]]]]:
        """For each minute of ``[from_ms, to_ms)``: its series, and its visible events of that window."""
        horizon = (time.time() - (self.lag if lag is None else lag).total_seconds()) * 1000
        visible = min(to_ms, horizon + 1)
        for number, minute in tuple(self._minutes.items()):
            if number * _MINUTE * 1000 < visible and (number + 1) * _MINUTE * 1000 > from_ms:
                yield minute.series, minute.rows(from_ms, visible)

    def __len__(self) -> int:
        return self._events

    def _is_kept(self, version_id: str) -> bool:
        due = self._due.get(version_id, 0.0) + 1.0
        kept = due >= self.sampling
        self._due[version_id] = due - self.sampling if kept else due
        return kept

    def _open(self, number: int) -> Minute:
        minute = self._minutes[number] = Minute()
        oldest = int(time.time() - RETENTION.total_seconds()) // _MINUTE
        for old in sorted(self._minutes):
            if old == number or (old >= oldest and self._events <= MOST_EVENTS):
                break
            self._events -= len(self._minutes.pop(old))
        return minute
