"""
A distribution of latencies as counts of requests slower than growing cuts.

The tolerance is a shift: the canary is compared with a control whose answers all take *times*
as long. Between cuts the distribution is read off on logit and logarithmic scales; the steeper
of the two neighbouring slopes is taken, so that an edge between two cuts harms nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
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


def odds(known: Ladder, shift: Sequence[float]) -> tuple[float, ...]:
    """
    By what the share between two cuts grows when tails grow by *shift*, the fastest first; 1 to 3.

    Where hardly anything is known nothing can be read off: it grows no less than what is faster.
    """
    tails = [known.tail(at) for at in range(len(shift))]
    usual = [1.0, *tails, 0.0]
    slower = [1.0, *(min(1.0, tail * times) for tail, times in zip(tails, shift, strict=True)), 0.0]
    grown = (
        (one - other) / (less - more) if less > more else 1.0
        for (one, other), (less, more) in zip(pairwise(slower), pairwise(usual), strict=True)
    )
    return tuple(accumulate((max(1.0, min(MOST_SHIFT, times)) for times in grown), max))


def _grown(tail: float, logit: float) -> float:
    return min(MOST_SHIFT, max(1.0, 1 / (1 + exp(-logit)) / tail))
