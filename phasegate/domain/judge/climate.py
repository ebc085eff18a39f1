"""
What a service's error rate is believed to be: calm, or in a burst that comes and goes.

Calm is a Gamma(a, b) that forgets (a is kept at 30 at most); a burst is Beta(1, 4) or Beta(1, 40), drawn
anew in each interval. A burst begins with chance 1e-3 a minute and lasts on with chance .7 a minute.
Beside it the service may be what its history does not know: with chance .05 all of that history is outdated.
"""

from dataclasses import dataclass
from math import exp, log

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
# What an outdated history hides is that errors are more: a rate of any size around five times the usual.
OUTDATED, OUTDATED_SHAPE, OUTDATED_TIMES = 0.05, 1.0, 5.0

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


@dataclass(frozen=True, slots=True)
class Belief:
    """
    ln of the chance of each *history*, with the climate then: that it holds, and that it is outdated.

    Which of them is true does not change; what was begun before this was asked believes its history.
    """

    histories: tuple[tuple[float, Climate], ...]

    @property
    def likeliest(self) -> Climate:
        """The climate of the history that is believed most."""
        return max(self.histories, key=lambda one: one[0])[1]


def certain(climate: Climate) -> Belief:
    """Nothing else is thought possible."""
    return Belief(((0.0, climate),))


def believed(bad: int, total: int, *, each: Pace) -> Belief:
    """The belief after a history of *bad* of *total*, which may be outdated."""
    usual = start(bad, total, each=each)
    many = OUTDATED_SHAPE * usual.b / (OUTDATED_TIMES * usual.a)
    outdated = Climate(OUTDATED_SHAPE, many, usual.bursts)
    return Belief(((log(1 - OUTDATED), usual), (log(OUTDATED), outdated)))


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


def log_mixed(climate: Climate, calm: float, bursts: Shares) -> float:
    """ln of the chance of an interval that has the logarithms *calm* and *bursts* in each state."""
    told = climate.log_bursts
    return log_sum((climate.log_calm + calm, told[0] + bursts[0], told[1] + bursts[1]))


def taught(belief: Belief, *arms: Pair, each: Pace) -> Belief:
    """
    The belief for the next interval, after the counts of *arms* that share one rate.

    Each history learns, and is believed as far as it foretold them.
    """
    bursts = log_bursts(*arms)
    bad, total = sum(one[0] for one in arms), sum(one[1] for one in arms)
    told = []
    for chance, one in belief.histories:
        calm = log_calm(one, *arms)
        after = learned(one, bad, total, calm=calm, bursts=bursts, each=each)
        told.append((chance + log_mixed(one, calm, bursts), after))
    whole = log_sum(chance for chance, _ in told)
    return Belief(tuple((chance - whole, after) for chance, after in told))


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
