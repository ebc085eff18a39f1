"""
Mann-Whitney with a tolerance on the effect, as Kayenta's default judge.

Source: Spinnaker, "How canary judgment works", and Kayenta's NetflixACAJudge: confidence 98 %,
tolerance .25: a metric is High when the lower bound of the shift between the two series
of per-minute rates exceeds a quarter of its Hodges-Lehmann estimate. NaN are removed. A look every
30 minutes at all minutes of the phase; one metric, so High fails the run. Kayenta also
removes outliers first, which can only hide failures; that step is left out.
"""

from math import sqrt

import numpy as np

from phasegate.simulation.judging import NEVER, rates
from phasegate.simulation.rollouts import Floats, Ints, Rollouts

EVERY = 30
TOLERANCE = 0.25
CRITICAL = 2.3263478740408408  # 98 % two-sided


class MannWhitney:
    """Takes back when the canary's minutes are shifted upwards beyond the tolerance."""

    name = "Mann-Whitney (Kayenta-like)"

    def stops(self, rollouts: Rollouts) -> Ints:
        """See :class:`.BacktestJudge`."""
        canary, control = rollouts.seen
        one, other = rates(canary.errors, canary.total), rates(control.errors, control.total)
        stops = np.full(rollouts.count, NEVER, dtype=np.int64)
        for since, until in _looks(rollouts.course.steps, rollouts.intervals):
            for row in np.flatnonzero(stops == NEVER):
                if high(one[row, since:until], other[row, since:until]):
                    stops[row] = until
        return stops


def high(canary: Floats, control: Floats) -> bool:
    """Whether *canary* is classified as High beside *control*, two series of rates with NaN for no data."""
    one, other = canary[~np.isnan(canary)], control[~np.isnan(control)]
    if len(one) < 2 or len(other) < 2:
        return False
    deviation = _deviation(one, other)
    if deviation == 0:
        return False
    shifts = np.subtract.outer(one, other).ravel()
    # The confidence bound is the shift at which the rank statistic is just no longer significant.
    place = round(len(shifts) / 2 - CRITICAL * deviation)
    if place < 0:
        return False
    lower, middle = np.partition(shifts, (place, len(shifts) // 2))[[place, len(shifts) // 2]]
    return bool(lower > TOLERANCE * abs(middle) and lower > 0)


def _deviation(one: Floats, other: Floats) -> float:
    """Standard deviation of the rank statistic, corrected for ties."""
    m, n = len(one), len(other)
    _, ties = np.unique(np.concatenate([one, other]), return_counts=True)
    both = m + n
    tied = float((ties**3 - ties).sum()) / (both * (both - 1))
    return sqrt(max(0.0, m * n / 12 * (both + 1 - tied)))


def _looks(steps: tuple[int, ...], intervals: int) -> list[tuple[int, int]]:
    ends = (*steps[1:], intervals)
    spans = zip(steps, ends, strict=True)
    return [(since, until) for since, end in spans for until in range(since + EVERY, end + 1, EVERY)]
