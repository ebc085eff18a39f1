"""The counts of the last intervals: what the rate rules look at."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from phasegate.domain.judge.tally import Pair, Tally

LONGEST = 15
# So many intervals in a row without it end an episode: one may be clean by chance where traffic is thin.
PAUSE = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One interval in which the canary served somebody, with the control's counts of the same interval."""

    start: datetime
    end: datetime
    canary: Tally
    control: Tally
    blame: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """Some intervals together, oldest first; at least one."""

    rows: tuple[Row, ...]

    @property
    def since(self) -> datetime:
        """Where the first interval begins."""
        return self.rows[0].start

    @property
    def until(self) -> datetime:
        """Where the last interval ends."""
        return self.rows[-1].end

    def canary(self, slot: int) -> Pair:
        """(bad, total) of the canary."""
        return _sum(row.canary.pairs[slot] for row in self.rows)

    def control(self, slot: int) -> Pair:
        """(bad, total) of the control in the same intervals."""
        return _sum(row.control.pairs[slot] for row in self.rows)

    def endpoint(self, slot: int) -> str:
        """The endpoint that carries more than half of the canary's bad requests, or nothing."""
        bad: dict[str, int] = {}
        for row in self.rows:
            for name, numbers in row.blame:
                bad[name] = bad.get(name, 0) + numbers[slot]
        name = max(sorted(bad), key=bad.__getitem__, default="")
        return name if name and 2 * bad[name] > self.canary(slot)[0] else ""


class Windows:
    """
    The intervals with traffic that the windows still need.

    An interval in which the canary served nobody is not kept: it says nothing about a rate,
    so it can neither end nor start a breach.
    """

    def __init__(self, keep: timedelta, rows: Iterable[Row] = ()) -> None:
        self._keep = keep
        self.rows = deque(rows)

    def append(self, row: Row) -> None:
        """Take the next interval and forget those that no window reaches any more."""
        self.rows.append(row)
        while len(self.rows) > LONGEST and self.rows[0].start < row.end - self._keep:
            self.rows.popleft()

    def last(self, intervals: int) -> Window | None:
        """The newest *intervals* with traffic; None when there are fewer."""
        found = len(self.rows)
        if not 0 < intervals <= found:
            return None
        return Window(tuple(islice(self.rows, found - intervals, found)))

    def lasting(self, span: timedelta) -> Window | None:
        """The intervals with traffic in the *span* that ends with the newest of them."""
        if not self.rows:
            return None
        first = self.rows[-1].end - span
        return Window(tuple(row for row in self.rows if row.start >= first))


def _sum(pairs: Iterable[Pair]) -> Pair:
    bad = total = 0
    for some, number in pairs:
        bad += some
        total += number
    return bad, total
