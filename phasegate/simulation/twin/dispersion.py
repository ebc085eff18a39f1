"""How errors scatter, followed for arrays: see ``phasegate.domain.judge.dispersion``."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from phasegate.domain.judge import dispersion
from phasegate.simulation.rollouts import Flags, Floats


@dataclass(frozen=True, slots=True)
class Following:
    """
    *sums* are errors, seen, expected and variance, shape (4, streams). *half* (2, streams) is
    (bad, total) of the half that waits for its other, *last* (4, streams) the split that waits
    for the next; total 0: nothing waits. *both*: *last* is worse than usual in both halves.
    """

    sums: Floats
    most: Floats
    half: Floats
    last: Floats
    both: Flags
    burst: Flags

    @property
    def eta(self) -> Floats:
        """The power of every stream's likelihood ratios."""
        errors, seen, expected, variance = self.sums
        excess = seen - expected
        told = (errors >= dispersion.LEAST_ERRORS) & (excess > 0) & (variance > 0)
        expected, variance = np.where(told, expected, 1.0), np.where(told, variance, 1.0)
        square = excess * excess / variance
        believed = square * square / (square * square + dispersion.DOUBT**2)
        error = dispersion.MARGIN * np.sqrt(variance) / expected
        phi = 1 + believed * (seen / expected * (1 + believed * error) - 1)
        return np.asarray(np.where(told, 1 / phi, 1.0))

    def add(self, bad: Floats, total: Floats) -> "Following":
        """Take the next interval of the control."""
        served, waiting = total > 0, self.half[1] > 0
        opens, closes = served & ~waiting, served & waiting
        both = (self.half[0] > self.most * self.half[1]) & (bad > self.most * total)
        counts = closes & (self.last[1] > 0) & ~self.both & ~self.burst & ~both
        return Following(
            self.sums + np.where(counts, _told(self.last), 0.0),
            self.most,
            np.where(opens, np.stack([bad, total]), np.where(closes, 0.0, self.half)),
            np.where(closes, np.concatenate([self.half, [bad, total]]), self.last),
            np.where(closes, both, self.both),
            np.where(closes, self.both, self.burst),
        )

    def only(self, going: Flags) -> "Following":
        """The streams that are still followed."""
        return Following(
            self.sums[:, going],
            self.most[going],
            self.half[:, going],
            self.last[:, going],
            self.both[going],
            self.burst[going],
        )


def following(begun: Sequence[dispersion.Following]) -> Following:
    """Put what history says side by side."""
    count = len(begun)
    sums = [
        (one.scatter.errors, one.scatter.seen, one.scatter.expected, one.scatter.variance) for one in begun
    ]
    never = np.zeros(count, dtype=bool)
    most = np.array([one.most for one in begun])
    return Following(
        np.array(sums, dtype=float).T, most, np.zeros((2, count)), np.zeros((4, count)), never, never
    )


def _told(split: Floats) -> Floats:
    bad_a, total_a, bad_b, total_b = split
    bad, served = bad_a + bad_b, np.maximum(total_a + total_b, 1.0)
    share = total_a / served
    expected = bad * share * (1 - share)
    variance = 2 * expected * expected * (1 - 1 / np.maximum(bad, 1.0))
    return np.stack([bad, (bad_a - share * bad) ** 2, expected, variance])
