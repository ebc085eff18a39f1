"""Many rollouts side by side: what was served, by whom, interval by interval."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from phasegate.simulation.scenario import Course

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DAY = 86_400.0  # seconds of history


@dataclass(frozen=True, slots=True)
class Arm:
    """
    Counts of one version, shape (rollouts, intervals).

    ``by_endpoint`` is ``(total, errors)`` with a third axis for the endpoints. ``latency`` counts
    requests in log buckets, shape (rollouts, intervals, buckets), as in :mod:`.latency`.
    """

    total: Ints
    errors: Ints
    by_endpoint: tuple[Ints, Ints] | None = None
    latency: Ints | None = None

    def only(self, judged: Flags) -> "Arm":
        """The counts of the *judged* intervals; of the others nothing is left."""
        if judged.all():
            return self
        ends, slow = self.by_endpoint, self.latency
        return Arm(
            self.total * judged,
            self.errors * judged,
            (ends[0] * judged[:, None], ends[1] * judged[:, None]) if ends else None,
            slow * judged[:, None] if slow is not None else None,
        )


@dataclass(frozen=True, slots=True)
class History:
    """
    The control's 24 hours before the release, shape (rollouts,).

    ``spread`` and ``expected`` are the sums of the over-dispersion of pseudo-A/A splits: their
    quotient is 1 when failures are independent. ``by_endpoint`` is ``(total, errors)``, shape (rollouts,
    endpoints); ``latency`` has shape (rollouts, buckets).
    """

    total: Ints
    errors: Ints
    spread: Floats
    expected: Floats
    by_endpoint: tuple[Ints, Ints] | None = None
    latency: Ints | None = None

    @property
    def dispersion(self) -> Floats:
        """phi, at least 1; 1 where nothing failed."""
        quotient = self.spread / np.where(self.expected > 0, self.expected, 1.0)
        return np.maximum(np.where(self.expected > 0, quotient, 1.0), 1.0)


@dataclass(frozen=True, slots=True)
class Rollouts:
    """
    Rollouts of one scenario, or recorded ones of one length.

    ``onset`` is the interval in which the harm begins (0 for good versions). ``lag``: so many intervals
    are still growing when a judge that does not wait looks at them; it sees ``early`` instead.
    ``sample`` is the sample interval; counts are already scaled by it. ``steps`` are the intervals in
    which a phase begins.
    """

    canary: Arm
    control: Arm
    history: History
    course: Course
    onset: int = 0
    lag: int = 0
    early: tuple[Arm, Arm] | None = None
    sample: int = 1

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
        arm.latency // by if arm.latency is not None else None,
    )
