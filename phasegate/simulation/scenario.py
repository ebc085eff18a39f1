"""What is simulated: traffic, a base error rate, a regression, a disturbance, and the rollout's course."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

ENDPOINTS = 10


@dataclass(frozen=True, slots=True)
class Course:
    """
    How a rollout proceeds: ``(intervals, canary's share)`` for each phase, in order.

    The default is the runbook's: two hours at 10 %, four at 50 %. *warmup* is how many intervals at
    the beginning of each phase no judge is shown.
    """

    phases: tuple[tuple[int, float], ...] = ((120, 0.10), (240, 0.50))
    seconds: float = 60.0
    warmup: tuple[int, ...] = ()

    @property
    def intervals(self) -> int:
        """Length of the whole course."""
        return sum(length for length, _ in self.phases)

    @property
    def shares(self) -> NDArray[np.float64]:
        """The canary's share in every interval, shape (intervals,)."""
        return np.concatenate([np.full(length, share) for length, share in self.phases])

    @property
    def steps(self) -> tuple[int, ...]:
        """The intervals in which the phases begin."""
        return tuple(int(start) for start in np.cumsum([0, *(length for length, _ in self.phases[:-1])]))

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Which intervals are judged, shape (intervals,)."""
        warmup = self.warmup or (0,) * len(self.phases)
        return np.concatenate(
            [np.arange(length) >= warm for (length, _), warm in zip(self.phases, warmup, strict=True)]
        )


@dataclass(frozen=True, slots=True)
class Regression:
    """
    What is wrong with the canary; the default is nothing.

    ``factor`` multiplies its error rate, ``to`` replaces it. ``onset`` is the interval in which it
    begins; a ``leak`` grows from there to its full size at the end of the course. ``endpoint``: only
    one endpoint of ten is hit. ``slower`` multiplies every latency, ``tail`` is the share of requests
    that become ten times slower.
    """

    name: str = "A/A"
    factor: float = 1.0
    to: float | None = None
    onset: int = 0
    leak: bool = False
    endpoint: bool = False
    slower: float = 1.0
    tail: float = 0.0

    @property
    def harmless(self) -> bool:
        """Whether a judge that takes this version back is wrong: nothing, or 5 % slower."""
        same = self.factor <= 1 and self.to is None
        return same and self.slower <= 1.05 and not self.tail

    @property
    def of_latency(self) -> bool:
        """Whether it shows in latencies only."""
        return self.slower != 1 or self.tail > 0

    def rate(self, good: float, intervals: int) -> NDArray[np.float64]:
        """The canary's error rate where it is hit, shape (intervals,), beside a control at *good*."""
        bad = self.to if self.to is not None else good * self.factor
        since = np.arange(intervals) - self.onset
        grown = (since + 1) / max(1, intervals - self.onset) if self.leak else 1.0
        hit = np.where(since >= 0, grown, 0.0)
        return np.minimum(good + (bad - good) * hit, 1.0)


class Disturbance(StrEnum):
    """What happens beside the release, to both arms alike."""

    NONE = "none"
    BURST = "burst"
    NOISE = "noise"
    CLUSTERS = "clusters"
    MISSING = "missing"
    SAMPLED = "sampled"
    LATE = "late"
    STEP = "step"

    @property
    def told(self) -> str:
        """In words."""
        return _TOLD[self]


_TOLD = {
    Disturbance.NONE: "none",
    Disturbance.BURST: "a burst of 10 to 50 % errors on both arms, three times, 3 to 15 minutes, apart",
    Disturbance.NOISE: "common noise: the error rate of both arms wanders by a factor of two",
    Disturbance.CLUSTERS: "retry clusters: failures come in groups of five on average",
    Disturbance.MISSING: "a tenth of the minutes missing, and a gap of 20 minutes",
    Disturbance.SAMPLED: "one request in ten sampled, counts scaled up",
    Disturbance.LATE: "the last two minutes still grow when they are looked at",
    Disturbance.STEP: "the error rate of both arms steps tenfold at deploy",
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    One cell of a table: *traffic* in requests a second (all of it), *errors* the base error rate.

    Latencies are drawn where *cuts* (ms) are given at which slow requests are counted.
    """

    traffic: float
    errors: float = 0.0005
    regression: Regression = field(default_factory=Regression)
    disturbance: Disturbance = Disturbance.NONE
    course: Course = field(default_factory=Course)
    cuts: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """Names the scenario; the seed is made from it, so that a cell is the same in every table."""
        where = f"{self.traffic:g}/{self.errors:g}/{self.cuts}"
        return f"{where}/{self.regression}/{self.disturbance}/{self.course}"

    def good(self) -> "Scenario":
        """The same without a regression."""
        return replace(self, regression=Regression())


REGRESSIONS = {
    one.name: one
    for one in (
        Regression(),
        Regression("x2", factor=2),
        Regression("x5", factor=5),
        Regression("0.5%", to=0.005),
        Regression("1%", to=0.01),
        Regression("2%", to=0.02),
        Regression("5%", to=0.05),
        Regression("50%", to=0.5),
        Regression("leak", to=0.02, leak=True),
        Regression("late", to=0.01, onset=90),
        Regression("endpoint", to=0.05, endpoint=True),
        Regression("slower-1.05", slower=1.05),
        Regression("slower-1.5", slower=1.5),
        Regression("slower-2", slower=2.0),
        Regression("tail", tail=0.05),
    )
}
"""Every regression that has a name on the command line."""
