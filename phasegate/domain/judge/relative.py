"""
Whether the canary carries more than its share of the errors: no model, no history.

Given all errors of an interval, each is the canary's with chance psi n1/(psi n1 + n0) if its
rate is psi times the control's. Whatever is common to both arms (bursts, drift, an outage
upstream) cancels. The null is "at most rho times": a likelihood ratio in one parameter is
largest in expectation at the edge of the null, so it covers every smaller ratio as well.
"""

from math import log

from phasegate.domain.judge.tally import Pair

PSIS = (2.0, 5.0, 25.0)


def log_ratios(psis: tuple[float, ...], canary: Pair, control: Pair, *, rho: float) -> list[float]:
    """ln of the likelihood ratio of each psi against *rho* in one interval; both arms must have served."""
    (bad, served), (bad_control, served_control) = canary, control
    together, null = bad + bad_control, rho * served + served_control
    return [
        bad * log(psi / rho) - together * log((psi * served + served_control) / null) if together else 0.0
        for psi in psis
    ]


def information(psi: float, *, served: float, served_control: float, rate: float, rho: float) -> float:
    """Nats that the ratio *psi* is worth against *rho*, when the control fails with *rate*."""
    errors = rate * (psi * served + served_control)
    if errors <= 0 or served <= 0:
        return 0.0
    odds, null = psi * served + served_control, rho * served + served_control
    return errors * (psi * served / odds * log(psi / rho) - log(odds / null))
