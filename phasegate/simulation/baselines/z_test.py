"""
A two-proportion z-test over a moving window, as dashboards and scripts do it.

Source: the pooled test of any textbook (NIST/SEMATECH e-Handbook, 7.3.3), one-sided at 1 %, over
the last 15 minutes, looked at every minute. Nothing corrects for looking often; at least
one failure is needed for the test to be defined.
"""

import numpy as np

from phasegate.simulation.judging import first, trailing
from phasegate.simulation.rollouts import Ints, Rollouts

WINDOW = 15
CRITICAL = 2.3263478740408408  # upper 1 % of the normal law


class ZTest:
    """Takes back when the canary's rate is significantly higher in the window."""

    name = "windowed z-test"

    def stops(self, rollouts: Rollouts) -> Ints:
        """See :class:`.BacktestJudge`."""
        canary, control = rollouts.seen
        x1, n1 = trailing(canary.errors, WINDOW), trailing(canary.total, WINDOW)
        x0, n0 = trailing(control.errors, WINDOW), trailing(control.total, WINDOW)
        served = (n1 > 0) & (n0 > 0)
        one, other = np.maximum(n1, 1), np.maximum(n0, 1)
        pooled = (x1 + x0) / (one + other)
        error = np.sqrt(pooled * (1 - pooled) * (1 / one + 1 / other))
        return first(served & (error > 0) & (x1 / one - x0 / other > CRITICAL * error))
