"""
Whether the canary has a rate of its own, judged with the service's own history.

The null: both arms share one climate, which learns from both. The alternatives: the climate is
that of the control alone, and in calm times the canary has kappa times its rate, or the rate
theta, or any rate. The null must carry the canary's past too, else it is too easily beaten.
Null and alternatives alike reckon with a history that is outdated: what the control shows decides.
Model and history may be wrong: this evidence is never used alone.
"""

from dataclasses import dataclass
from math import log

from phasegate.domain.judge.climate import Belief, Climate, Pace, log_bursts, log_calm, log_mixed, taught
from phasegate.domain.judge.likelihood import log_binomial, log_negative_binomial, log_sum
from phasegate.domain.judge.tally import Pair


@dataclass(frozen=True, slots=True)
class Alternative:
    """The canary in calm times: *kappa* times the calm rate, the rate *theta*, or (neither) any rate."""

    kappa: float = 0.0
    theta: float = 0.0

    def rate(self, calm: float) -> float:
        """The rate that it stands for when the calm rate is *calm*; any rate stands for 50 %."""
        return min(self.kappa * calm, 1.0) if self.kappa else self.theta or 0.5


ALTERNATIVES = (
    *(Alternative(kappa=kappa) for kappa in (1.3, 1.8, 3.0, 6.0)),
    *(Alternative(theta=theta) for theta in (0.01, 0.03, 0.1)),
    Alternative(),
)


@dataclass(frozen=True, slots=True)
class Climates:
    """What is believed of *both* arms together, and of the *control* alone."""

    both: Belief
    control: Belief


def log_ratios(
    alternatives: tuple[Alternative, ...], climates: Climates, canary: Pair, control: Pair
) -> list[float]:
    """ln of the likelihood ratio of each alternative against the null in one interval."""
    shared = log_bursts(control, canary)
    null = log_sum(
        chance + log_mixed(one, log_calm(one, control, canary), shared)
        for chance, one in climates.both.histories
    )
    alone = [(chance, one, log_calm(one, control)) for chance, one in climates.control.histories]
    return [
        log_sum(
            chance + log_mixed(one, calm + _log_canary(alternative, one, canary, control), shared)
            for chance, one, calm in alone
        )
        - null
        for alternative in alternatives
    ]


def follow(climates: Climates, canary: Pair, control: Pair, *, each: Pace) -> Climates:
    """What is believed after the interval; an arm that served nobody teaches nothing."""
    return Climates(
        taught(climates.both, control, canary, each=each), taught(climates.control, control, each=each)
    )


def information(alternative: Alternative, *, served: float, calm: float) -> float:
    """Nats that *alternative* is worth over *served* requests; 0 for one that is not worse than calm."""
    rate = alternative.rate(calm)
    return served * (rate * log(rate / calm) - (rate - calm)) if rate > calm else 0.0


def _log_canary(alternative: Alternative, climate: Climate, canary: Pair, control: Pair) -> float:
    bad, served = canary
    if alternative.kappa:
        a, b = climate.a + control[0], (climate.b + control[1]) / alternative.kappa
        return log_negative_binomial(bad, served, a, b)
    return log_binomial(bad, served, alternative.theta) if alternative.theta else -log(served + 1)
