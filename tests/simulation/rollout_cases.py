"""Rollouts written by hand, for tests."""

from collections.abc import Sequence

import numpy as np

from phasegate.simulation.rollouts import Arm, History, Rollouts
from phasegate.simulation.scenario import Course


def by_hand(
    canary: Sequence[tuple[int, int]], control: Sequence[tuple[int, int]], *, onset: int = 0
) -> Rollouts:
    """One rollout of ``(errors, total)`` a minute in one phase at 10 %, after a day at 0.1 %."""
    history = History(
        (np.array([[100]]), np.array([[100_000]])), (np.zeros((1, 60), dtype=np.int64), np.full((1, 60), 70))
    )
    course = Course(((len(canary), 0.1),))
    return Rollouts(_arm(canary), _arm(control), history, course, onset=onset)


def _arm(pairs: Sequence[tuple[int, int]]) -> Arm:
    errors, total = np.array(pairs).T
    return Arm(total[None, :], errors[None, :])
