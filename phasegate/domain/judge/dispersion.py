"""
How much more the errors of a service scatter than chance alone would have them.

Clusters (a client that retries) hit one arm as a whole, so one cause is counted several times. The
service's own counts show it: split in two as if the halves were versions, they differ too much.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import groupby
from math import sqrt

from phasegate.domain.judge.tally import Pair

# A burst hits both arms alike and cancels in the comparison; between neighbours in time it does not. What
# tells it from a cluster, which looks the same where traffic is thin, is that it lasts.
BURST_RATE, BURST_TIMES, BURST_LASTS = 0.01, 10, 3
# Each error alone in its interval says exactly "no cluster", so few are enough.
LEAST_ERRORS = 5
# Squared standard errors at which half of an excess is believed (one standard error is chance and hardly
# believed, ten are clusters), and how many errors of the estimate itself are added to what is believed:
# too small a phi costs good versions, too large a one only time.
DOUBT, MARGIN = 6.0, 2.0

Split = tuple[Pair, Pair]


@dataclass(frozen=True, slots=True)
class Scatter:
    """
    Sums over pseudo-A/A splits: errors, (x_a - s x)^2 as *seen* and as *expected* by chance, and the
    *variance* of what is seen by chance.
    """

    errors: int = 0
    seen: float = 0.0
    expected: float = 0.0
    variance: float = 0.0

    def add(self, split: Split) -> "Scatter":
        """
        One more split, ``((bad, total), (bad, total))`` of two halves that the same version served.

        The variance is that of a squared binomial deviation, 2 e^2 (1 - 1/x), in halves of equal size.
        """
        (bad_a, total_a), (bad_b, total_b) = split
        bad = bad_a + bad_b
        if not total_a or not total_b or not bad:
            return self
        share = total_a / (total_a + total_b)
        expected = bad * share * (1 - share)
        return Scatter(
            self.errors + bad,
            self.seen + (bad_a - share * bad) ** 2,
            self.expected + expected,
            self.variance + 2 * expected * expected * (1 - 1 / bad),
        )

    @property
    def plain(self) -> float:
        """seen / expected; 1 when too few errors are known."""
        return self.seen / self.expected if self.expected and self.errors >= LEAST_ERRORS else 1.0

    @property
    def phi(self) -> float:
        """The over-dispersion that is reckoned with: 1 unless there is more of it than chance shows."""
        excess = self.seen - self.expected
        if self.errors < LEAST_ERRORS or excess <= 0 or not self.variance:
            return 1.0
        square = excess * excess / self.variance
        believed = square * square / (square * square + DOUBT * DOUBT)
        error = MARGIN * sqrt(self.variance) / self.expected
        return 1 + believed * (self.plain * (1 + believed * error) - 1)

    @property
    def eta(self) -> float:
        """The power that every likelihood ratio is raised to, 1 at most."""
        return 1 / self.phi


UNKNOWN = Scatter()


@dataclass(frozen=True, slots=True)
class Following:
    """
    A :class:`Scatter` that goes on with each interval of the control: ``scatter`` holds what is settled.

    A split far worse than usual in both halves is a burst, and so are the splits beside it: *last* waits
    until the one after it is known. *burst*: the split before *last* was one.
    """

    scatter: Scatter
    most: float
    half: Pair | None = None
    last: Split | None = None
    burst: bool = False

    def add(self, control: Pair) -> "Following":
        """Take the next interval; one without requests says nothing."""
        if not control[1]:
            return self
        if self.half is None:
            return replace(self, half=control)
        split = (self.half, control)
        lasts = self._worse(self.half) and self._worse(control)
        counts = self.last is not None and not self.burst and not lasts and not self._both(self.last)
        scatter = self.scatter.add(self.last) if self.last and counts else self.scatter
        return Following(scatter, self.most, None, split, self.last is not None and self._both(self.last))

    def _both(self, split: Split) -> bool:
        return self._worse(split[0]) and self._worse(split[1])

    def _worse(self, one: Pair) -> bool:
        return one[0] > self.most * one[1]


def dispersion(splits: Iterable[Split]) -> Scatter:
    """The scatter of *splits*."""
    return reduce(Scatter.add, splits, UNKNOWN)


def neighbours(intervals: Sequence[Pair]) -> list[Split]:
    """Pseudo-A/A splits of a history: each interval outside bursts with the one after it, each used once."""
    calm = _calm(intervals)
    return list(zip(calm[::2], calm[1::2], strict=False))


def burst_rate(usual: float) -> float:
    """The error rate beyond which an interval may be part of a burst, in a service at *usual*."""
    return max(BURST_RATE, BURST_TIMES * usual)


def _calm(intervals: Sequence[Pair]) -> list[Pair]:
    """What is left without bursts: intervals one after the other, each far worse than usual."""
    errors, served = sum(bad for bad, _ in intervals), sum(total for _, total in intervals)
    most = burst_rate(errors / served) if served else 1.0
    kept: list[Pair] = []
    for worse, group in groupby(intervals, key=lambda one: one[0] > most * one[1]):
        rows = list(group)
        if not worse or len(rows) < BURST_LASTS:
            kept += rows
    return kept
