"""
What the control did before the release, as far as it is stored.

Coarse intervals (hours in one row) give rates and latencies; those as long as the plan's interval also
tell the traffic. How much errors scatter is told by both: where errors are few it takes a day to see it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from phasegate.domain.judge.course import Past
from phasegate.domain.judge.dispersion import Scatter, dispersion, neighbours
from phasegate.domain.judge.ladder import Ladder, empty
from phasegate.domain.judge.matched import NONE, added, by_endpoint, latency
from phasegate.domain.judge.tally import Pair
from phasegate.domain.observation import Minute

FINE_KEPT = 360
# Where an hour usually has more errors, the drift of their rate weighs more than clusters do; a single
# hour with ten times as many as usual is an outage.
MOST_USUAL_ERRORS, OUTAGE_TIMES, LEAST_OUTAGE = 50, 10, 25
_MICROSECOND = timedelta(microseconds=1)


@dataclass
class History:
    """The control's counts by endpoint, its latencies, and its fine intervals one by one."""

    known: Ladder
    endpoints: dict[str, Pair] = field(default_factory=dict)
    fine: list[Pair] = field(default_factory=list)
    covered: timedelta = timedelta(0)
    coarse: list[Pair] = field(default_factory=list)

    @classmethod
    def start(cls, cuts: Sequence[int]) -> "History":
        """Nothing is known."""
        return cls(empty(cuts))

    def add(self, minute: Minute, *, control: str, cuts: Sequence[int], interval: timedelta) -> None:
        """Take one interval of any length."""
        found = by_endpoint(minute, control)
        for endpoint, pair in found.items():
            self.endpoints[endpoint] = added((self.endpoints.get(endpoint, NONE), pair))
        self.covered += minute.length
        if (slow := latency(minute, control, cuts=cuts)) is not None:
            self.known += slow
        if minute.length == interval:
            self.fine = [*self.fine, added(found.values())][-FINE_KEPT:]
        else:
            self.coarse = [*self.coarse, added(found.values())][-FINE_KEPT:]

    @property
    def counts(self) -> Pair:
        """(failed, served) of everything."""
        return added(self.endpoints.values())

    @property
    def scatter(self) -> Scatter:
        """How the errors scatter."""
        return scatter(self.fine, self.coarse)

    def traffic(self, interval: timedelta) -> float:
        """Requests per *interval*; 0 when nothing is known."""
        if self.fine and (served := added(self.fine)[1]):
            return served / len(self.fine)
        return self.counts[1] * (interval / self.covered) if self.covered else 0.0

    def past(self, endpoint: str | None, *, traffic: float) -> Past:
        """
        The past of one *endpoint* (None: all requests), when all together make *traffic* per interval.

        Of an endpoint that is not known *traffic* is its own.
        """
        whole = self.counts
        counts = whole if endpoint is None else self.endpoints.get(endpoint, NONE)
        part = counts[1] / whole[1] if counts[1] else 1.0
        return Past(counts, traffic * part, self.scatter)

    def state(self) -> list[Any]:
        """As plain values."""
        return [
            [*self.known.slow, self.known.total],
            [[name, *pair] for name, pair in self.endpoints.items()],
            [number for pair in self.fine for number in pair],
            self.covered // _MICROSECOND,
            [number for pair in self.coarse for number in pair],
        ]

    @classmethod
    def load(cls, state: list[Any]) -> "History":
        """Read what :meth:`state` wrote."""
        # What was stored before coarse intervals were kept one by one has none.
        known, endpoints, fine, covered, coarse = (*state, [])[:5]
        return cls(
            Ladder(tuple(known[:-1]), known[-1]),
            {name: (bad, total) for name, bad, total in endpoints},
            list(zip(fine[::2], fine[1::2], strict=True)),
            covered * _MICROSECOND,
            list(zip(coarse[::2], coarse[1::2], strict=True)),
        )


def scatter(fine: Sequence[Pair], coarse: Sequence[Pair]) -> Scatter:
    """How errors scatter in a history of *fine* intervals and, where errors are few, of *coarse* ones."""
    usual = sorted(bad for bad, _ in coarse)[len(coarse) // 2] if coarse else 0
    most = max(LEAST_OUTAGE, OUTAGE_TIMES * usual) if usual <= MOST_USUAL_ERRORS else -1
    return dispersion([*neighbours(fine), *neighbours([pair for pair in coarse if pair[0] <= most])])
