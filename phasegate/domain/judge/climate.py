"""
What a service's error rate is believed to be: calm, or in a burst that comes and goes.

Calm is a Gamma(a, b) that forgets (a is kept at 30 at most); a burst is Beta(1, 4) or Beta(1, 40), drawn
anew in each interval. A burst begins with chance 1e-3 a minute and lasts on with chance .7 a minute.
"""

from dataclasses import dataclass
from math import exp

from phasegate.domain.judge.likelihood import (
    log_beta_binomial,
    log_negative_binomial,
    log_or_never,
    log_sum,
)
from phasegate.domain.judge.tally import Pair

MOST = 30.0
BURSTS = ((1.0, 4.0), (1.0, 40.0))
BEGINS, LASTS = 1e-3, 0.7
WEAK = (0.5, 500.0)

Shares = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Pace:
    """The chances of a burst for one interval: that each kind begins, and that it lasts on."""

    begins: float
    lasts: float


@dataclass(frozen=True, slots=True)
class Climate:
    """The belief before an interval: Gamma(a, b) if calm, and the chance of each kind of burst."""

    a: float
    b: float
    bursts: Shares

    @property
    def log_calm(self) -> float:
        """ln of the chance that the next interval is calm."""
        return log_or_never(max(1 - sum(self.bursts), 0.0))

    @property
    def log_bursts(self) -> Shares:
        """ln of the chance of each kind of burst."""
        return log_or_never(self.bursts[0]), log_or_never(self.bursts[1])


def pace(minutes: float) -> Pace:
    """The chances for intervals of so many *minutes*: a burst has no preferred length of buckets."""
    return Pace(begins=(1 - (1 - BEGINS) ** minutes) / len(BURSTS), lasts=LASTS**minutes)


def start(bad: int, total: int, *, each: Pace) -> Climate:
    """The belief after a history of *bad* of *total*; without one it is Gamma(.5, 500)."""
    a, b = _forgotten(bad + WEAK[0], total + WEAK[1])
    return Climate(a, b, (each.begins, each.begins))


def log_calm(climate: Climate, *arms: Pair) -> float:
    """ln of the chance of the *arms*' counts in a calm interval, one rate for all."""
    told, a, b = 0.0, climate.a, climate.b
    for bad, total in arms:
        told += log_negative_binomial(bad, total, a, b)
        a, b = a + bad, b + total
    return told


def log_bursts(*arms: Pair) -> Shares:
    """ln of the chance of the *arms*' counts in each kind of burst, one rate for all."""
    sharp, mild = (_log_burst(u, v, arms) for u, v in BURSTS)
    return sharp, mild


def learned(climate: Climate, bad: int, total: int, *, calm: float, bursts: Shares, each: Pace) -> Climate:
    """
    The belief for the next interval, after *bad* of *total* with the logarithms *calm* and *bursts*.

    What happened in a burst says nothing about calm times: calm learns as far as it was calm.
    """
    told = (climate.log_calm + calm, climate.log_bursts[0] + bursts[0], climate.log_bursts[1] + bursts[1])
    whole = log_sum(told)
    was_calm, sharp, mild = (exp(one - whole) for one in told)
    a, b = _forgotten(climate.a + was_calm * bad, climate.b + was_calm * total)
    begins, lasts = each.begins * was_calm, each.lasts
    return Climate(a, b, (lasts * sharp + begins, lasts * mild + begins))


def _forgotten(a: float, b: float) -> tuple[float, float]:
    return (a, b) if a <= MOST else (MOST, b * MOST / a)


def _log_burst(u: float, v: float, arms: tuple[Pair, ...]) -> float:
    told = 0.0
    for bad, total in arms:
        told += log_beta_binomial(bad, total, u, v)
        u, v = u + bad, v + total - bad
    return told
