"""
Fixed threshold with a counter of failed checks, as in Flagger.

Source: Flagger, "Metrics Analysis" and "How it works" (docs.flagger.app): ``interval: 1m``,
``threshold: 5`` failed checks, ``request-success-rate`` of at least 99 % over ``interval: 1m``.
A check without requests counts as failed, and the counter is not reset before the next release.
"""

import numpy as np

from phasegate.simulation.judging import first, rates
from phasegate.simulation.rollouts import Ints, Rollouts

THRESHOLD = 5


class FailedChecks:
    """Takes back when ``threshold`` checks, one a minute, have failed since the deploy."""

    name = "failed-checks (Flagger-like)"

    def __init__(self, limit: float) -> None:
        self._limit = limit

    def stops(self, rollouts: Rollouts) -> Ints:
        """See :class:`.BacktestJudge`."""
        canary, _ = rollouts.seen
        failed = ~(rates(canary.errors, canary.total) <= self._limit) & rollouts.course.judged
        return first(np.cumsum(failed, axis=1) >= THRESHOLD)
