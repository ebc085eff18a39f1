"""What is known before the canary's first request: the course of the rollout and the service's history."""

from dataclasses import dataclass
from datetime import timedelta

from phasegate.domain.judge.climate import WEAK
from phasegate.domain.judge.dispersion import UNKNOWN, Scatter
from phasegate.domain.judge.tally import Pair
from phasegate.domain.plan import Phase, RolloutPlan

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Leg:
    """A stretch of the rollout: the canary's *share* of the traffic (0..1), for so many *intervals*."""

    share: float
    intervals: int


@dataclass(frozen=True, slots=True)
class Course:
    """The stretches in which canary and control can be compared, and how many minutes an interval has."""

    legs: tuple[Leg, ...]
    minutes: float

    @property
    def intervals(self) -> int:
        """All intervals together."""
        return sum(leg.intervals for leg in self.legs)


@dataclass(frozen=True, slots=True)
class Past:
    """
    What one stream (all requests, or one endpoint's) did before the release.

    *counts* are (bad, total) of its history, *traffic* the requests per interval of all
    versions together, *scatter* how its errors scatter.
    """

    counts: Pair = (0, 0)
    traffic: float = 0.0
    scatter: Scatter = UNKNOWN

    @property
    def rate(self) -> float:
        """The error rate as far as it is known: (X + .5)/(N + 500)."""
        return (self.counts[0] + WEAK[0]) / (self.counts[1] + WEAK[1])


def course(plan: RolloutPlan) -> Course:
    """The course of *plan*: its soaks in production below 100 %."""
    legs = tuple(_leg(phase, plan.interval) for phase in plan.phases if has_control(phase) and phase.soak)
    return Course(legs or (Leg(0.5, 1),), plan.interval / MINUTE)


def has_control(phase: Phase) -> bool:
    """Whether *phase* has a control to compare with."""
    return phase.has_control


def _leg(phase: Phase, interval: timedelta) -> Leg:
    soak = phase.soak.duration if phase.soak else timedelta(0)
    return Leg(phase.weight / 100, max(1, round(soak / interval)))
