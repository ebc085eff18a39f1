"""
A distribution of latencies as counts of requests slower than growing cuts.

The tolerance is a shift: the canary is compared with a control whose answers all take *times*
as long. Between cuts the distribution is read off on logit and logarithmic scales; the steeper
of the two neighbouring slopes is taken, so that an edge between two cuts harms nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

MOST_SHIFT = 3.0


@dataclass(frozen=True, slots=True)
class Ladder:
    """Requests slower than each of the plan's counted cuts, of *total* requests."""

    slow: tuple[int, ...]
    total: int

    def __add__(self, other: "Ladder") -> "Ladder":
        pairs = zip(self.slow, other.slow, strict=True)
        return Ladder(tuple(one + two for one, two in pairs), self.total + other.total)

    def tail(self, cut: int) -> float:
        """The share slower than the cut number *cut*, as far as it is known: never 0 or 1."""
        return (self.slow[cut] + 0.5) / (self.total + 1)


def empty(cuts: Sequence[int]) -> Ladder:
    """No requests."""
    return Ladder((0,) * len(cuts), 0)


def orderly(slow: Sequence[int], total: int) -> Ladder:
    """Counts that sampling or late rows made contradict each other, made to fall with growing cuts."""
    kept, most = [], total
    for number in slow:
        most = min(most, number)
        kept.append(most)
    return Ladder(tuple(kept), total)


def shifts(known: Ladder, cuts: Sequence[int], *, times: float) -> tuple[float, ...]:
    """By what each tail grows when every answer takes *times* as long; at most threefold."""
    if times <= 1 or len(cuts) < 2:
        return (1.0,) * len(cuts)
    tails = [known.tail(at) for at in range(len(cuts))]
    logits = [log(tail / (1 - tail)) for tail in tails]
    steps = [(logits[at] - logits[at + 1]) / log(cuts[at + 1] / cuts[at]) for at in range(len(cuts) - 1)]
    slopes = [max(steps[max(at - 1, 0)], steps[min(at, len(steps) - 1)], 0.0) for at in range(len(cuts))]
    return tuple(
        _grown(tail, logit + slope * log(times))
        for tail, logit, slope in zip(tails, logits, slopes, strict=True)
    )


def _grown(tail: float, logit: float) -> float:
    return min(MOST_SHIFT, max(1.0, 1 / (1 + exp(-logit)) / tail))
