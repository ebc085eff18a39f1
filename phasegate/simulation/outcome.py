"""What a judge did over many rollouts, with the uncertainty of having seen only so many."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from phasegate.domain.judge.binomial import tail
from phasegate.simulation.judging import NEVER
from phasegate.simulation.rollouts import Floats, Ints, Rollouts

CONFIDENCE = 0.95
_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Share:
    """*bad* of *total*, with its exact (Clopper-Pearson) interval at 95 %."""

    bad: int
    total: int

    @property
    def value(self) -> float:
        """The share; NaN of nothing."""
        return self.bad / self.total if self.total else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper confidence limit."""
        return clopper_pearson(self.bad, self.total)


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    One judge on one scenario.

    ``stopped``: rollouts taken back after the harm began, or at all for good versions. ``early``: taken back
    before it began. ``median`` and ``p95`` are intervals from the onset until the rollback over
    all rollouts, inf where so many were not taken back in time; ``median_error`` is the standard error
    of the simulated median. ``failed``: mean number of the
    canary's failed requests until the rollback, or the end.
    """

    judge: str
    stopped: Share
    early: Share
    median: float
    p95: float
    failed: float
    median_error: float = inf


@dataclass(frozen=True, slots=True)
class Observed:
    """
    What *judge* did with each rollout: where it stopped, and the canary's failed requests until then.

    *ends* is how many intervals there were, *onset* where the harm began.
    """

    judge: str
    stops: Ints
    failed: Ints
    ends: Ints
    onset: int


def observed(judge: str, stops: Ints, rollouts: Rollouts) -> Observed:
    """Keep what *judge* did; *stops* as :class:`.BacktestJudge` gives them."""
    ends = np.full(rollouts.count, rollouts.intervals)
    counted = np.arange(rollouts.intervals) < np.where(stops == NEVER, ends, stops)[:, None]
    failed = (rollouts.canary.errors * counted).sum(axis=1)
    return Observed(judge, stops, failed, ends, rollouts.onset)


def outcome(parts: Sequence[Observed]) -> Outcome:
    """Sum up *parts* of one judge with one onset."""
    onset = parts[0].onset
    stops = np.concatenate([part.stops for part in parts])
    found = (stops != NEVER) & (stops > onset)
    early = (stops != NEVER) & ~found
    delays = np.where(found, stops - onset, inf)[~early]
    return Outcome(
        judge=parts[0].judge,
        stopped=Share(int(found.sum()), int((~early).sum())),
        early=Share(int(early.sum()), len(stops)),
        median=_quantile(delays, 0.5),
        p95=_quantile(delays, 0.95),
        failed=float(np.concatenate([part.failed for part in parts]).mean()),
        median_error=_median_error(delays),
    )


def clopper_pearson(bad: int, total: int, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """
    The exact interval for a binomial share (Clopper and Pearson, Biometrika 1934).

    (0, 1) when nothing was counted.
    """
    if total == 0:
        return 0.0, 1.0
    outside = (1 - confidence) / 2
    lower = _solve(lambda rate: tail(bad, total, rate) > outside) if bad else 0.0
    upper = _solve(lambda rate: tail(bad + 1, total, rate) > 1 - outside) if bad < total else 1.0
    return lower, upper


def _solve(above: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if above(middle) else (middle, high)
    return high


def _quantile(delays: Floats, share: float) -> float:
    if not len(delays):
        return inf
    ordered = np.sort(delays)
    return float(ordered[min(len(ordered) - 1, int(np.ceil(share * len(ordered))) - 1)])


def _median_error(delays: Floats) -> float:
    """Half of what lies between the delays half a root of their number before and after the median."""
    count = len(delays)
    away = count**0.5 / 2
    ordered = np.sort(delays)
    if count < 2 or ordered[high := min(count - 1, int(count / 2 + away))] == inf:
        return inf
    return float(ordered[high] - ordered[int(count / 2 - away)]) / 2
