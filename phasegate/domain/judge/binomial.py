"""How likely so many bad requests are by chance: the upper tail of the binomial law."""

from math import exp, inf, lgamma, log, log1p

_TINY = 1e-300
_ENOUGH = 1e-13
_STEPS = 20_000


def tail(bad: int, total: int, rate: float) -> float:
    """
    The chance of at least *bad* of *total* requests failing when each fails with chance *rate*.

    Good for 1e9 requests: precise to about 1e-10 of itself for small counts and 1e-5 for the
    largest; what is smaller than the smallest float is 0.
    """
    if bad <= 0:
        return 1.0
    if bad > total or rate <= 0:
        return 0.0
    if rate >= 1:
        return 1.0
    return _incomplete_beta(rate, bad, total - bad + 1)


def _incomplete_beta(x: float, a: int, b: int) -> float:
    # The continued fraction converges in few steps only on this side of the mean.
    if x <= (a + 1) / (a + b + 2):
        return min(1.0, _power(log(x), log1p(-x), a, b) * _fraction(x, a, b) / a)
    return max(0.0, 1 - _power(log1p(-x), log(x), b, a) * _fraction(1 - x, b, a) / b)


def _power(log_x: float, log_rest: float, a: int, b: int) -> float:
    exponent = a * log_x + b * log_rest + lgamma(a + b) - lgamma(a) - lgamma(b)
    return exp(min(exponent, 700.0)) if exponent > -inf else 0.0


def _fraction(x: float, a: int, b: int) -> float:
    """Lentz's method for the continued fraction of the incomplete beta function (DLMF 8.17.22)."""
    c, d = 1.0, 1 / _kept(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _STEPS):
        for term in _terms(x, a, b, m):
            c, d = _kept(1 + term / c), 1 / _kept(1 + term * d)
            value *= c * d
        if abs(c * d - 1) < _ENOUGH:
            break
    return value


def _terms(x: float, a: int, b: int, m: int) -> tuple[float, float]:
    even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
    odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    return even, odd


def _kept(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
