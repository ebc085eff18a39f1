"""Logarithms of how likely counts are, for arrays: see ``phasegate.domain.judge.likelihood``."""

from functools import cache

import numpy as np

from phasegate.simulation.rollouts import Floats

_FROM = 8.0
_HALF_LOG_TWO_PI = 0.9189385332046727
_TABLED = 2**17


def log_gamma(x: Floats) -> Floats:
    """
    ln of the gamma function for x > 0, precise to 1e-14 of itself (numpy has none).

    Stirling's series (DLMF 5.11.1) from 8 on; below, eight steps of the recurrence.
    """
    small = x < _FROM
    if not small.any():
        return _stirling(x)
    steps = np.where(small, x, 1.0)
    for step in range(1, int(_FROM)):
        steps = np.where(small, steps * (x + step), 1.0)
    return np.asarray(_stirling(np.where(small, x + _FROM, x)) - np.log(steps))


def log_factorial(count: Floats) -> Floats:
    """ln of whole numbers' factorials, which are looked up as far as there is a table."""
    if count.size and count.max() < _TABLED:
        return np.asarray(_factorials()[count.astype(np.int64)])
    return log_gamma(count + 1)


def _stirling(z: Floats) -> Floats:
    i = 1 / z
    j = i * i
    series = i * (
        1 / 12 - j * (1 / 360 - j * (1 / 1260 - j * (1 / 1680 - j * (1 / 1188 - j * 691 / 360360))))
    )
    return np.asarray((z - 0.5) * np.log(z) - z + _HALF_LOG_TWO_PI + series)


@cache
def _factorials() -> Floats:
    return log_gamma(np.arange(1.0, _TABLED + 1))


def log_choose(bad: Floats, total: Floats) -> Floats:
    """ln of the number of ways to choose."""
    return log_factorial(total) - log_factorial(bad) - log_factorial(total - bad)


def log_binomial(bad: Floats, total: Floats, rate: float, *, choose: Floats) -> Floats:
    """ln Bin(bad; total, rate); *choose* is ln of the binomial coefficient."""
    return np.asarray(choose + bad * np.log(rate) + (total - bad) * np.log1p(-rate))


def log_beta(u: Floats, v: Floats) -> Floats:
    """ln of the beta function of whole numbers."""
    return log_factorial(u - 1) + log_factorial(v - 1) - log_factorial(u + v - 1)


def log_or_never(share: Floats) -> Floats:
    """ln of shares that may be 0."""
    with np.errstate(divide="ignore"):
        return np.log(share)
