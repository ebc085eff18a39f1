"""Many rollouts side by side: what was served, by whom, interval by interval."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from phasegate.domain.judge.dispersion import Scatter
from phasegate.domain.judge.history import scatter
from phasegate.simulation.scenario import Course

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DAY = 86_400.0  # seconds of history


@dataclass(frozen=True, slots=True)
class Arm:
    """
    Counts of one version, shape (rollouts, intervals).

    ``by_endpoint`` is ``(total, errors)`` with a third axis for the endpoints; ``slow`` counts the
    requests slower than each cut, shape (rollouts, intervals, cuts).
    """

    total: Ints
    errors: Ints
    by_endpoint: tuple[Ints, Ints] | None = None
    slow: Ints | None = None

    def only(self, judged: Flags) -> "Arm":
        """The counts of the *judged* intervals; of the others nothing is left."""
        if judged.all():
            return self
        ends, slow, third = self.by_endpoint, self.slow, judged[..., None]
        return Arm(
            self.total * judged,
            self.errors * judged,
            (ends[0] * third, ends[1] * third) if ends else None,
            slow * third if slow is not None else None,
        )


@dataclass(frozen=True, slots=True)
class History:
    """
    The control's 24 hours before the release as ``(errors, total)``, shape (rollouts, intervals).

    ``coarse`` are a long interval and hours, ``fine`` the newest intervals one by one. ``by_endpoint``
    is ``(total, errors)`` of the whole, shape (rollouts, endpoints); ``slow`` counts the requests of the
    long interval slower than each cut, shape (rollouts, cuts).
    """

    coarse: tuple[Ints, Ints]
    fine: tuple[Ints, Ints]
    by_endpoint: tuple[Ints, Ints] | None = None
    slow: Ints | None = None

    @property
    def total(self) -> Ints:
        """Requests of the day, shape (rollouts,)."""
        return np.asarray(self.coarse[1].sum(axis=1) + self.fine[1].sum(axis=1))

    @property
    def errors(self) -> Ints:
        """Failed requests of the day, shape (rollouts,)."""
        return np.asarray(self.coarse[0].sum(axis=1) + self.fine[0].sum(axis=1))

    @property
    def traffic(self) -> Floats:
        """Requests per interval, shape (rollouts,)."""
        return np.asarray(self.fine[1].mean(axis=1))

    @property
    def scatter(self) -> tuple[Scatter, ...]:
        """How the errors of every rollout scatter, as the judge sees it."""
        rows = zip(_pairs(self.fine), _pairs(self.coarse), strict=True)
        return tuple(scatter(fine, coarse) for fine, coarse in rows)


@dataclass(frozen=True, eq=False)
class Rollouts:
    """
    Rollouts of one scenario, or recorded ones of one length. Compared by identity.

    ``onset`` is the interval in which the harm begins (0 for good versions). ``lag``: so many intervals
    are still growing when a judge that does not wait looks at them; it sees ``early`` instead.
    ``sample`` is the sample interval; counts are already scaled by it. ``cuts`` are the latencies
    (ms) at which slow requests are counted.
    """

    canary: Arm
    control: Arm
    history: History
    course: Course
    onset: int = 0
    lag: int = 0
    early: tuple[Arm, Arm] | None = None
    sample: int = 1
    cuts: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """How many rollouts there are."""
        return int(self.canary.total.shape[0])

    @property
    def intervals(self) -> int:
        """How many intervals each has."""
        return int(self.canary.total.shape[1])

    @property
    def seen(self) -> tuple[Arm, Arm]:
        """What a judge that does not wait for settled counts is shown: (canary, control)."""
        canary, control = self.early or (self.canary, self.control)
        return canary.only(self.course.judged), control.only(self.course.judged)

    def warmed_up(self) -> "Rollouts":
        """The judged intervals alone, from the first on in which both arms served."""
        both = self.canary.only(self.course.judged).total * self.control.total > 0
        judged = np.logical_or.accumulate(both, axis=1) & self.course.judged
        return replace(self, canary=self.canary.only(judged), control=self.control.only(judged))

    def unscaled(self) -> "Rollouts":
        """The requests that were really counted: scaled-up samples divided by their interval."""
        if self.sample == 1:
            return self
        return replace(
            self, canary=_divide(self.canary, self.sample), control=_divide(self.control, self.sample)
        )


def _divide(arm: Arm, by: int) -> Arm:
    ends = arm.by_endpoint
    return Arm(
        arm.total // by,
        arm.errors // by,
        (ends[0] // by, ends[1] // by) if ends else None,
        arm.slow // by if arm.slow is not None else None,
    )


def _pairs(counts: tuple[Ints, Ints]) -> list[list[tuple[int, int]]]:
    return [
        list(zip(bad, total, strict=True))
        for bad, total in zip(counts[0].tolist(), counts[1].tolist(), strict=True)
    ]
