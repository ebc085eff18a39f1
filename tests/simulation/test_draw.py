"""The simulator draws what the scenario says."""

from dataclasses import replace
from math import erf, log, sqrt

import numpy as np
import pytest

from phasegate.simulation.draw import draw
from phasegate.simulation.scenario import ENDPOINTS, REGRESSIONS, Course, Disturbance, Regression, Scenario

SHORT = Course(((30, 0.1), (30, 0.5)))


def test_the_same_seed_draws_the_same_counts():
    """
    A figure that cannot be drawn again cannot be checked.
    """
    scenario = Scenario(10, disturbance=Disturbance.BURST, course=SHORT)

    one, two, other = draw(scenario, 5, seed=1), draw(scenario, 5, seed=1), draw(scenario, 5, seed=2)

    assert np.array_equal(one.canary.errors, two.canary.errors)
    assert not np.array_equal(one.canary.errors, other.canary.errors)


def test_traffic_is_split_and_fails_as_asked():
    """
    Rates of a thousand rollouts lie within five standard errors of what was asked for.
    """
    scenario = Scenario(10, errors=0.001, regression=REGRESSIONS["1%"], course=SHORT)

    drawn = draw(scenario, 1000)

    canary, control = drawn.canary, drawn.control
    assert canary.total[:, :30].mean() == pytest.approx(60, rel=0.01)
    assert control.total[:, 30:].mean() == pytest.approx(300, rel=0.01)
    assert _off(canary.errors.sum(), canary.total.sum(), 0.01) < 5
    assert _off(control.errors.sum(), control.total.sum(), 0.001) < 5
    assert _off(drawn.history.errors.sum(), drawn.history.total.sum(), 0.001) < 5


@pytest.mark.parametrize("disturbance", list(Disturbance))
def test_no_disturbance_favours_an_arm(disturbance: Disturbance):
    """
    An A/A rollout stays one whatever happens to both arms: else a false rollback would be a right one.
    """
    drawn = draw(Scenario(20, disturbance=disturbance, course=Course(((120, 0.5),))), 400)

    canary, control = (
        arm.errors.sum(axis=1) / arm.total.sum(axis=1) for arm in (drawn.canary, drawn.control)
    )
    difference = canary - control
    assert abs(difference.mean()) < 4 * difference.std() / 400**0.5


def test_clusters_show_in_the_history_and_nothing_else_does():
    """
    The judge learns from history that failures come in groups, so the history must tell.
    """
    clusters = draw(Scenario(50, disturbance=Disturbance.CLUSTERS), 20).history.scatter
    plain = draw(Scenario(50), 20).history.scatter

    assert np.mean([one.plain for one in clusters]) == pytest.approx(9, abs=1)
    assert np.mean([one.plain for one in plain]) == pytest.approx(1, abs=0.1)


def test_samples_are_scaled_up_and_can_be_undone():
    """
    Sampled counts are multiples of the interval; divided by it they are what was really counted.
    """
    drawn = draw(Scenario(100, disturbance=Disturbance.SAMPLED, course=SHORT), 5)

    assert drawn.sample == 10
    assert not (drawn.canary.errors % 10).any()
    assert drawn.unscaled().control.total.mean() == pytest.approx(drawn.control.total.mean() / 10)


def test_missing_minutes_are_empty_in_both_arms():
    """
    A scrape that failed brings neither requests nor failures.
    """
    drawn = draw(Scenario(100, disturbance=Disturbance.MISSING), 20)

    empty = drawn.canary.total == 0
    assert np.array_equal(empty, drawn.control.total == 0)
    assert 0.1 < empty.mean() < 0.2


def test_only_one_endpoint_of_ten_is_hit():
    """
    The whole service looks ten times better than the endpoint that is broken.
    """
    drawn = draw(Scenario(100, regression=REGRESSIONS["endpoint"], course=SHORT), 20)

    total, errors = drawn.canary.by_endpoint or pytest.fail("no endpoints")
    rates = errors.sum(axis=(0, 1)) / total.sum(axis=(0, 1))
    assert total.shape[-1] == ENDPOINTS
    assert rates[0] == pytest.approx(0.05, rel=0.1)
    assert rates[1:].max() < 0.002


def test_a_leak_grows_and_a_late_fault_waits():
    """
    Before its onset a fault is not there, and a leak is whole only at the end.
    """
    leak, late = REGRESSIONS["leak"].rate(0.001, 100), Regression(to=0.5, onset=40).rate(0.001, 100)

    assert np.all(np.diff(leak) > 0)
    assert leak[-1] == pytest.approx(0.02)
    assert late[39] == pytest.approx(0.001)
    assert late[40] == pytest.approx(0.5)


def test_a_slower_canary_has_more_requests_beyond_every_cut():
    """
    Counts fall with growing cuts, and one arm alone is slower.
    """
    scenario = Scenario(50, regression=REGRESSIONS["slower-2"], course=SHORT, cuts=(50, 200, 500))

    drawn = draw(scenario, 5)

    slow, usual = drawn.canary.slow, drawn.control.slow
    assert slow is not None
    assert usual is not None
    assert (np.diff(slow, axis=-1) <= 0).all()
    assert (slow.sum(axis=(0, 1)) / drawn.canary.total.sum()).tolist() == pytest.approx(
        [_beyond(cut, 2) for cut in scenario.cuts], rel=0.1, abs=1e-4
    )
    assert (usual.sum(axis=(0, 1)) / drawn.control.total.sum()).tolist() == pytest.approx(
        [_beyond(cut, 1) for cut in scenario.cuts], rel=0.1, abs=1e-4
    )


def test_late_counts_are_only_part_of_the_settled_ones():
    """
    Who does not wait sees less, never more.
    """
    drawn = draw(replace(Scenario(10), disturbance=Disturbance.LATE, course=SHORT), 5)

    early, _ = drawn.seen
    assert drawn.lag == 2
    assert (early.total <= drawn.canary.total).all()
    assert early.total.sum() == pytest.approx(0.6 * drawn.canary.total.sum(), rel=0.05)


def _off(bad: float, total: float, rate: float) -> float:
    """How many standard errors the share lies away from *rate*."""
    return float(abs(bad / total - rate) / (rate * (1 - rate) / total) ** 0.5)


def _beyond(cut: float, slower: float) -> float:
    """The share of a log-normal service's answers that take longer than *cut*."""
    return (1 - erf(log(cut / (60 * slower)) / 0.6 / sqrt(2))) / 2
