"""
Fixed threshold with a failure limit, as in Argo Rollouts.

Source: Argo Rollouts, "Analysis & Progressive Delivery" (docs/features/analysis.md): the example
measures every 5 minutes over 5 minutes with ``failureLimit: 3``, so the fourth failed measurement
fails the analysis. A measurement without requests is NaN, for which no success condition is true.
Each phase is an analysis of its own. The limit is the plan's instead of the example's 95 %.
"""

import numpy as np

from phasegate.simulation.judging import first, rates, since_step, trailing
from phasegate.simulation.rollouts import Ints, Rollouts

INTERVAL = 5
FAILURE_LIMIT = 3


class FailureLimit:
    """Takes back when more than ``failureLimit`` measurements of one phase have failed."""

    name = "failure-limit (Argo-like)"

    def __init__(self, limit: float) -> None:
        self._limit = limit

    def stops(self, rollouts: Rollouts) -> Ints:
        """See :class:`.BacktestJudge`."""
        canary, _ = rollouts.seen
        rate = rates(trailing(canary.errors, INTERVAL), trailing(canary.total, INTERVAL))
        measured = (np.arange(1, rollouts.intervals + 1) % INTERVAL == 0) & rollouts.course.judged
        failed = ~(rate <= self._limit) & measured  # NaN is not below the limit
        return first(since_step(failed.astype(np.int64), rollouts.course.steps) > FAILURE_LIMIT)
