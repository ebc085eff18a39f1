"""Everything the judge remembers of a release, and how it is written down and read again."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from phasegate.domain.errors import Refused
from phasegate.domain.judge.health import Checked
from phasegate.domain.judge.tally import Tally, nothing, unflat
from phasegate.domain.judge.windows import Row, Windows

FORMAT = 3
_MICROSECOND = timedelta(microseconds=1)


@dataclass
class Sums:
    """What canary and control answered since some instant."""

    since: datetime
    canary: Tally
    control: Tally

    @classmethod
    def start(cls, at: datetime, cuts: tuple[int, ...]) -> "Sums":
        """Nothing yet."""
        return cls(at, nothing(cuts), nothing(cuts))

    def add(self, row: Row) -> None:
        """Take one more interval."""
        self.canary += row.canary
        self.control += row.control

    def state(self) -> list[Any]:
        """As plain values."""
        return [self.since.isoformat(), self.canary.flat(), self.control.flat()]

    @classmethod
    def load(cls, state: list[Any]) -> "Sums":
        """Read what :meth:`state` wrote."""
        return cls(datetime.fromisoformat(state[0]), unflat(state[1]), unflat(state[2]))


@dataclass
class Memory:
    """
    One phase as far as it was seen, and the sums of the phases before it.

    ``heard`` is the end of the newest interval in which the canary served somebody, or the
    start of the phase; ``excused`` counts, after the first of a breach that the control shares, the
    intervals in which the control is above the limit, without a pause of five.
    """

    phase: str
    entered: datetime
    heard: datetime
    alone: Sums
    pool: Sums
    windows: Windows
    newest: datetime | None = None
    judged_until: datetime | None = None
    away_since: datetime | None = None
    health: Checked = field(default_factory=Checked)
    excused: dict[str, int] = field(default_factory=dict)
    query: str = ""

    def state(self) -> dict[str, Any]:
        """As plain values: whole numbers and texts, so that nothing is lost."""
        return {
            "phase": self.phase,
            "entered": self.entered.isoformat(),
            "heard": self.heard.isoformat(),
            "newest": _text(self.newest),
            "judged_until": _text(self.judged_until),
            "away_since": _text(self.away_since),
            "alone": self.alone.state(),
            "pool": self.pool.state(),
            "rows": [row_state(row, self.entered) for row in self.windows.rows],
            "health": _health_state(self.health),
            "excused": dict(self.excused),
            "query": self.query,
        }


def load(state: dict[str, Any], *, keep: timedelta) -> Memory:
    """Read what :meth:`Memory.state` wrote; windows reach back for *keep*."""
    entered = datetime.fromisoformat(state["entered"])
    return Memory(
        phase=state["phase"],
        entered=entered,
        heard=datetime.fromisoformat(state["heard"]),
        alone=Sums.load(state["alone"]),
        pool=Sums.load(state["pool"]),
        windows=Windows(keep, [load_row(row, entered) for row in state["rows"]]),
        newest=_instant(state["newest"]),
        judged_until=_instant(state["judged_until"]),
        away_since=_instant(state["away_since"]),
        health=_health(state["health"]),
        excused=dict(state["excused"]),
        query=state["query"],
    )


def fits(state: dict[str, Any], *, cuts: tuple[int, ...]) -> None:
    """Raise Refused when *state* is of another format, or of a plan with other latency cuts."""
    if state.get("format") != FORMAT:
        raise Refused(
            f"judge state: format is {state.get('format')!r}, only {FORMAT} can be read; "
            "feed the intervals again instead"
        )
    if tuple(state["cuts"]) != cuts:
        raise Refused(
            f"judge state: latency was counted at {state['cuts']} ms, the plan's cuts are {list(cuts)} ms; "
            "feed the intervals again instead"
        )


def row_state(row: Row, zero: datetime) -> list[Any]:
    """As plain values, with times relative to *zero*."""
    blamed = [[endpoint, *numbers] for endpoint, numbers in row.blame]
    span = ((row.start - zero) // _MICROSECOND, (row.end - zero) // _MICROSECOND)
    return [*span, row.canary.flat(), row.control.flat(), blamed]


def load_row(state: list[Any], zero: datetime) -> Row:
    """Read what :func:`row_state` wrote."""
    start, end, canary, control, blamed = state
    return Row(
        start=zero + start * _MICROSECOND,
        end=zero + end * _MICROSECOND,
        canary=unflat(canary),
        control=unflat(control),
        blame=tuple((endpoint, tuple(numbers)) for endpoint, *numbers in blamed),
    )


def _health_state(health: Checked) -> list[Any]:
    return [
        health.count,
        _text(health.last),
        health.failures,
        _text(health.failing_since),
        health.fault,
        health.url,
        health.served_by,
    ]


def _health(state: list[Any]) -> Checked:
    count, last, failures, since, *told = state
    return Checked(count, _instant(last), failures, _instant(since), *told)


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
