"""The baselines do what their models document, with the weaknesses they are known for."""

import numpy as np
from rollout_cases import by_hand

from phasegate.simulation.baselines import FailedChecks, FailureLimit, MannWhitney, Msprt, ZTest
from phasegate.simulation.baselines.mann_whitney import high
from phasegate.simulation.judging import NEVER

GOOD, BAD, SILENT = (0, 100), (5, 100), (0, 0)
CONTROL = (1, 900)


def test_the_fourth_failed_measurement_fails_the_analysis():
    """
    A failure limit of 3 with a measurement every five minutes takes 20 minutes for any harm.
    """
    rollouts = by_hand([BAD] * 30, [CONTROL] * 30)

    assert FailureLimit(0.01).stops(rollouts)[0] == 20


def test_an_analysis_that_measures_nothing_fails():
    """
    NaN fulfils no success condition, so silence alone takes a version back.
    """
    rollouts = by_hand([SILENT] * 30, [CONTROL] * 30)

    assert FailureLimit(0.01).stops(rollouts)[0] == 20


def test_failed_checks_are_never_forgotten():
    """
    Five bad minutes hours apart count like five in a row.
    """
    minutes = ([BAD] + [GOOD] * 59) * 5
    rollouts = by_hand(minutes, [CONTROL] * len(minutes))

    assert FailedChecks(0.01).stops(rollouts)[0] == 4 * 60 + 1


def test_missing_data_counts_as_failed_checks():
    """
    A provider that is away for five minutes takes a healthy version back.
    """
    rollouts = by_hand([GOOD] * 10 + [SILENT] * 5 + [GOOD] * 5, [CONTROL] * 20)

    assert FailedChecks(0.01).stops(rollouts)[0] == 15


def test_rare_errors_are_invisible_to_ranks():
    """
    Where most minutes have no failure the median shift is zero, however much worse the canary is.
    """
    canary = np.array([0.0] * 20 + [0.05] * 10)

    assert not high(canary, np.zeros(30))
    assert high(np.full(30, 0.05) + np.arange(30) / 1e4, np.arange(30) / 1e4)


def test_ranks_are_looked_at_every_half_hour():
    """
    The first look at a version that fails everything comes after 30 minutes.
    """
    rollouts = by_hand([(90 + n % 5, 100) for n in range(60)], [(n % 3, 900) for n in range(60)])

    assert MannWhitney().stops(rollouts)[0] == 30


def test_looking_often_at_a_z_test_finds_harm_in_equal_arms():
    """
    One failure in the first minute is significant for a test that thinks it is asked once.
    """
    rollouts = by_hand([(1, 10), (0, 10)], [(0, 90), (0, 90)])

    assert ZTest().stops(rollouts)[0] == 1


def test_the_mixture_stops_for_a_worse_canary_only():
    """
    The test is two-sided; a better canary is no reason to take it back.
    """
    worse, better = by_hand([(5, 100)] * 30, [CONTROL] * 30), by_hand([(0, 100)] * 30, [(80, 900)] * 30)

    assert Msprt().stops(worse)[0] != NEVER
    assert Msprt().stops(better)[0] == NEVER
