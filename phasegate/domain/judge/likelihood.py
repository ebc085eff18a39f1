"""Logarithms of how likely counts are under the laws that the judge compares."""

from collections.abc import Iterable
from math import exp, inf, lgamma, log, log1p


def log_sum(terms: Iterable[float]) -> float:
    """ln of the sum of exp(*terms*), for terms of any size; -inf for none."""
    found = tuple(terms)
    most = max(found, default=-inf)
    if most == -inf:
        return -inf
    return most + log(sum(exp(term - most) for term in found))


def log_or_never(share: float) -> float:
    """ln of a share that may be 0."""
    return log(share) if share > 0 else -inf


def log_choose(bad: int, total: int) -> float:
    """ln of the number of ways to choose *bad* of *total*."""
    return lgamma(total + 1) - lgamma(bad + 1) - lgamma(total - bad + 1)


def log_binomial(bad: int, total: int, rate: float) -> float:
    """ln Bin(bad; total, rate) for a rate strictly between 0 and 1."""
    return log_choose(bad, total) + bad * log(rate) + (total - bad) * log1p(-rate)


def log_negative_binomial(bad: int, total: int, a: float, b: float) -> float:
    """
    ln NB(bad; total, a, b): Poisson counts at a rate that is Gamma(a, b), over *total* requests.

    G(a+x)/(G(a) x!) (b/(b+n))^a (n/(b+n))^x.
    """
    if not total:
        return 0.0
    counts = lgamma(a + bad) - lgamma(a) - lgamma(bad + 1)
    return counts - a * log1p(total / b) - (bad * log1p(b / total) if bad else 0.0)


def log_beta_binomial(bad: int, total: int, u: float, v: float) -> float:
    """ln of *bad* of *total* when the rate is Beta(u, v): C(n,x) B(x+u, n-x+v)/B(u,v)."""
    if not total:
        return 0.0
    return log_choose(bad, total) + _log_beta(bad + u, total - bad + v) - _log_beta(u, v)


def _log_beta(u: float, v: float) -> float:
    return lgamma(u) + lgamma(v) - lgamma(u + v)
