"""
Whether the canary's rate is proved to be below a limit, however often one looks.

The evidence against a rate p after x bad of n requests is the beta-binomial mixture with
prior Beta(1/2, 1/(2 limit)) over the likelihood of p. It is a martingale if p is true, so it
ever reaches 1/alpha with chance alpha at most; the rates for which it has not are the interval.
Any prior keeps that promise. This one expects rates as small as the limit, not of all sizes as
Beta(1/2, 1/2) does, and proves "below 0.1 %" with 5,876 clean requests instead of 9,766.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import inf, lgamma, log, log1p

_HALVINGS = 44
_MOST = 10**13
_LEAST_LIMIT = 1e-6


class Standing(StrEnum):
    """What the evidence says about a limit."""

    PROVEN = "proven"
    VIOLATED = "violated"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class Proof:
    """The standing of a limit; with chance 1 - alpha the true rate is in [lower, upper] at every look."""

    standing: Standing
    lower: float
    upper: float


def standing(bad: int, total: int, *, limit: float, alpha: float) -> Standing:
    """Whether a rate below *limit* is proved, proved wrong, or neither."""
    if not total or evidence(bad, total, limit, limit=limit) < -log(alpha):
        return Standing.UNPROVEN
    return Standing.PROVEN if bad / total < limit else Standing.VIOLATED


def clears(bad: float, total: int, *, limit: float, alpha: float) -> bool:
    """Whether *bad* of *total* would prove a rate below *limit*; *bad* may be an expectation."""
    return bad < limit * total and evidence(bad, total, limit, limit=limit) >= -log(alpha)


def prove(bad: int, total: int, *, limit: float, alpha: float) -> Proof:
    """The standing of *limit* with the interval of rates that the counts leave possible."""
    lower, upper = bounds(bad, total, limit=limit, alpha=alpha)
    return Proof(standing(bad, total, limit=limit, alpha=alpha), lower, upper)


def missing(bad: int, total: int, *, limit: float, alpha: float) -> int | None:
    """How many more requests, all good, would prove *limit*; None if no number would (below 0 %)."""

    def enough(more: int) -> bool:
        return standing(bad, total + more, limit=limit, alpha=alpha) is Standing.PROVEN

    if enough(0):
        return 0
    high = 1
    while not enough(high):
        high *= 2
        if high > _MOST:
            return None
    return _least(enough, high // 2, high)


def bounds(bad: int, total: int, *, limit: float, alpha: float) -> tuple[float, float]:
    """The confidence interval of the rate around *limit*, valid at every look: 0..1 without data."""
    if not total:
        return 0.0, 1.0
    most, known = -log(alpha), _mixture(bad, total, limit)

    def possible(rate: float) -> bool:
        return known - _likelihood(bad, total, rate) < most

    seen = bad / total
    lower = _edge(possible, inside=seen, outside=0.0) if bad else 0.0
    upper = _edge(possible, inside=seen, outside=1.0) if bad < total else 1.0
    return lower, upper


def evidence(bad: float, total: int, rate: float, *, limit: float) -> float:
    """The logarithm of the evidence against *rate*, with the prior that suits *limit*."""
    return _mixture(bad, total, limit) - _likelihood(bad, total, rate)


def _mixture(bad: float, total: int, limit: float) -> float:
    """ln B(x + 1/2, n - x + b) / B(1/2, b) with b = 1/(2 limit): the prior's mean is about the limit."""
    b = 0.5 / max(limit, _LEAST_LIMIT)
    prior = lgamma(0.5) + lgamma(b) - lgamma(0.5 + b)
    return lgamma(bad + 0.5) + lgamma(total - bad + b) - lgamma(total + 0.5 + b) - prior


def _likelihood(bad: float, total: int, rate: float) -> float:
    good = total - bad
    if (bad and rate <= 0) or (good and rate >= 1):
        return -inf
    return (bad * log(rate) if bad else 0.0) + (good * log1p(-rate) if good else 0.0)


def _edge(possible: Callable[[float], bool], *, inside: float, outside: float) -> float:
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if possible(middle):
            inside = middle
        else:
            outside = middle
    return outside


def _least(enough: Callable[[int], bool], low: int, high: int) -> int:
    """The least number that is *enough*, when *low* is not and *high* is."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
