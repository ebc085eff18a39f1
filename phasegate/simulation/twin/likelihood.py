"""Logarithms of how likely counts are, for arrays: see ``phasegate.domain.judge.likelihood``."""

import numpy as np

from phasegate.simulation.rollouts import Floats

_FROM = 8.0
_HALF_LOG_TWO_PI = 0.9189385332046727


def log_gamma(x: Floats) -> Floats:
    """
    ln of the gamma function for x > 0, precise to 1e-14 of itself (numpy has none).

    Stirling's series (DLMF 5.11.1) from 8 on; below, eight steps of the recurrence.
    """
    small = x < _FROM
    steps = np.where(small, x, 1.0)
    for step in range(1, int(_FROM)):
        steps = np.where(small, steps * (x + step), 1.0)
    z = np.where(small, x + _FROM, x)
    i = 1 / z
    j = i * i
    series = i * (
        1 / 12 - j * (1 / 360 - j * (1 / 1260 - j * (1 / 1680 - j * (1 / 1188 - j * 691 / 360360))))
    )
    return (z - 0.5) * np.log(z) - z + _HALF_LOG_TWO_PI + series - np.log(steps)


def log_choose(bad: Floats, total: Floats) -> Floats:
    """ln of the number of ways to choose."""
    return log_gamma(total + 1) - log_gamma(bad + 1) - log_gamma(total - bad + 1)


def log_binomial(bad: Floats, total: Floats, rate: float, *, choose: Floats) -> Floats:
    """ln Bin(bad; total, rate); *choose* is ln of the binomial coefficient."""
    return np.asarray(choose + bad * np.log(rate) + (total - bad) * np.log1p(-rate))


def log_negative_binomial(bad: Floats, total: Floats, a: Floats, b: Floats) -> Floats:
    """ln NB(bad; total, a, b); 0 where nothing was served."""
    served = np.maximum(total, 1e-300)
    counts = log_gamma(a + bad) - log_gamma(a) - log_gamma(bad + 1)
    failed = np.where(bad > 0, bad * np.log1p(b / served), 0.0)
    return np.where(total > 0, counts - a * np.log1p(total / b) - failed, 0.0)


def log_beta(u: Floats, v: Floats) -> Floats:
    """ln of the beta function."""
    return log_gamma(u) + log_gamma(v) - log_gamma(u + v)


def log_sum(*terms: Floats) -> Floats:
    """ln of the sum of exp(*terms*), elementwise."""
    return np.asarray(np.logaddexp.reduce(np.stack(terms)))


def log_or_never(share: Floats) -> Floats:
    """ln of shares that may be 0."""
    with np.errstate(divide="ignore"):
        return np.log(share)
