"""
The mixture sequential probability ratio test.

Source: Johari, Koomen, Pekelis, Walsh, "Peeking at A/B tests" (KDD 2017), with a normal mixture in
its Bernoulli form; two arms of unequal size enter with the variance of their difference. The
mixing variance is the paper's for the rate of the history and a truncation at the planned number
of canary requests; the first 100 requests of each arm are a burn-in, as in the R package ``mixtureSPRT``.
"""

from math import erfc, exp, log, pi, sqrt

import numpy as np

from phasegate.simulation.judging import first
from phasegate.simulation.rollouts import DAY, Floats, Ints, Rollouts

ALPHA = 0.01
BURN_IN = 100


class Msprt:
    """Takes back when the mixture of likelihood ratios reaches 1/alpha and the canary is the worse arm."""

    name = "mSPRT"

    def stops(self, rollouts: Rollouts) -> Ints:
        """See :class:`.BacktestJudge`."""
        canary, control = rollouts.seen
        x1, n1 = np.cumsum(canary.errors, axis=1), np.cumsum(canary.total, axis=1)
        x0, n0 = np.cumsum(control.errors, axis=1), np.cumsum(control.total, axis=1)
        one, other = np.maximum(n1, 1), np.maximum(n0, 1)
        pooled = (x1 + x0) / (one + other)
        each = pooled * (1 - pooled)
        variance = np.maximum(each * (1 / one + 1 / other), 1e-300)
        tau = _tuned(rollouts)
        excess = x1 / one - x0 / other
        ready = (n1 >= BURN_IN) & (n0 >= BURN_IN) & (excess > 0)
        return first(ready & (_log_ratio(excess, variance, tau) >= log(1 / ALPHA)))


def _tuned(rollouts: Rollouts) -> float:
    """The mixing variance for the service's own history and the canary requests it lets expect."""
    served, failed = rollouts.history.total.mean(), rollouts.history.errors.mean()
    rate = float(failed / served) if served else 0.0
    planned = served * rollouts.course.seconds / DAY * rollouts.course.shares.sum()
    return mixing(rate * (1 - rate), float(planned))


def mixing(variance: float, truncation: float) -> float:
    """tau squared of the paper for a stop at *truncation* requests of this *variance* each."""
    if variance <= 0 or truncation <= 0:
        return 1e-12
    b = 2 * log(1 / ALPHA) / sqrt(truncation * variance)
    beyond = erfc(b / sqrt(2)) / 2
    density = exp(-b * b / 2) / sqrt(2 * pi)
    rest = density / b - beyond
    return variance * beyond / rest if rest > 0 and beyond > 0 else variance / (1 + b * b)


def _log_ratio(excess: Floats, variance: Floats, tau: float) -> Floats:
    wide = variance + tau
    return 0.5 * np.log(variance / wide) + tau * excess**2 / (2 * variance * wide)
