"""Statistics of a backtest against published and hand-made values."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from rollout_cases import by_hand

from phasegate.simulation.outcome import clopper_pearson, observed, outcome
from phasegate.simulation.rollouts import Arm, Rollouts


@pytest.mark.parametrize(
    ("bad", "total", "lower", "upper"),
    [(0, 100, 0.0, 0.0362167), (5, 100, 0.0164319, 0.1128349), (10, 10, 0.6915029, 1.0)],
)
def test_the_interval_is_the_exact_one(bad: int, total: int, lower: float, upper: float):
    """
    Clopper-Pearson limits as tables give them; a few hundred rollouts prove less than they seem to.
    """
    assert clopper_pearson(bad, total) == pytest.approx((lower, upper), abs=1e-6)


def test_nothing_counted_says_nothing():
    """
    No rollout leaves every rate possible.
    """
    assert clopper_pearson(0, 0) == (0.0, 1.0)


def test_delays_count_from_the_onset_and_early_stops_are_told_apart():
    """
    A rollback before the harm is a false one and must not make detection look fast.
    """
    one = by_hand([(1, 10)] * 20, [(0, 90)] * 20, onset=10)
    many = _repeated(one, 4)

    result = outcome([observed("judge", np.array([5, 13, 20, 0]), many)])

    assert (result.early.bad, result.early.total) == (1, 4)
    assert (result.stopped.bad, result.stopped.total) == (2, 3)
    assert result.median == 10
    assert result.p95 == inf
    assert result.failed == (5 + 13 + 20 + 20) / 4


def _repeated(rollouts: Rollouts, times: int) -> Rollouts:
    canary, control = (
        Arm(np.repeat(arm.total, times, axis=0), np.repeat(arm.errors, times, axis=0))
        for arm in (rollouts.canary, rollouts.control)
    )
    return replace(rollouts, canary=canary, control=control)
