"""
What the judge promises, on a few hundred simulated releases: ``make bench-judge`` on thousands.

A promise about a rate fails only when the exact 99.9 % interval lies wholly above it, so that
an unlucky draw does not; seeds are fixed all the same.
"""

from pathlib import Path

import numpy as np
import pytest

from phasegate.adapters.plan_yaml import load_plan
from phasegate.simulation.draw import draw
from phasegate.simulation.outcome import Outcome, clopper_pearson, observed, outcome
from phasegate.simulation.phasegate_judge import ErrorEvidence, LatencyEvidence, Phasegate, Terms, terms_of
from phasegate.simulation.scenario import REGRESSIONS, Disturbance, Scenario

PLAN = load_plan("production", search=(Path(__file__).parents[2] / "deployments" / "plans",))
TERMS = Terms()


@pytest.mark.parametrize("traffic", [0.2, 10, 1000])
def test_a_good_version_is_taken_back_in_one_of_a_hundred_at_most(traffic: float):
    """
    alpha is 1 % per release, and looking every minute for six hours does not use it up.
    """
    drawn = draw(Scenario(traffic), 300)

    for judge in (ErrorEvidence(TERMS), Phasegate(TERMS)):
        assert _certain(_outcome(judge, drawn)) <= 0.01


@pytest.mark.parametrize("disturbance", [one for one in Disturbance if one is not Disturbance.STEP])
def test_what_hits_both_arms_harms_nobody(disturbance: Disturbance):
    """
    An outage upstream, noise, clusters or missing minutes are not the canary's doing.
    """
    drawn = draw(Scenario(10, disturbance=disturbance), 300)

    assert _certain(_outcome(Phasegate(TERMS), drawn)) <= 0.015


def test_an_outage_that_begins_with_the_release_is_mostly_forgiven():
    """
    History says that the rate is new, but the control has it as well: one in twenty at most.
    """
    drawn = draw(Scenario(1, disturbance=Disturbance.STEP), 300)

    assert _certain(_outcome(Phasegate(TERMS), drawn)) <= 0.05


@pytest.mark.parametrize(
    ("traffic", "regression", "design"),
    [(0.2, "50%", 4), (1, "1%", 56), (10, "x5", 66), (10, "1%", 7), (100, "x2", 51), (1000, "x2", 7)],
)
def test_a_regression_is_seen_as_soon_as_designed(traffic: float, regression: str, design: float):
    """
    At least 40 % of the releases are taken back by the designed median: 50 % less four standard errors.
    """
    drawn = draw(Scenario(traffic, regression=REGRESSIONS[regression]), 400)

    stops = ErrorEvidence(TERMS).stops(drawn)

    assert ((stops > 0) & (stops <= design + 1)).mean() >= 0.4


def test_a_slower_canary_is_seen_and_a_little_slower_one_is_spared():
    """
    Twice as slow shows within minutes; 5 % is within the plan's tolerance at any traffic.
    """
    slow = draw(Scenario(10, regression=REGRESSIONS["slower-2"], cuts=PLAN.counted), 50)
    harmless = draw(Scenario(100, regression=REGRESSIONS["slower-1.05"], cuts=PLAN.counted), 150)
    judge = LatencyEvidence(terms_of(PLAN))

    assert _outcome(judge, slow).p95 <= 2
    assert not judge.stops(harmless).any()


def test_an_endpoint_of_ten_is_seen_although_the_whole_looks_fine():
    """
    5 % on a tenth of the requests is half a percent of all.
    """
    drawn = draw(Scenario(100, regression=REGRESSIONS["endpoint"]), 30)

    assert _outcome(Phasegate(TERMS), drawn).p95 <= 10


def test_a_limit_that_both_arms_break_is_literal_or_attributed():
    """
    What the plan says decides whether an outage that is not the canary's takes it back at once.
    """
    drawn = draw(Scenario(10, disturbance=Disturbance.BURST), 40)
    literal = terms_of(PLAN)
    short = np.flatnonzero(Phasegate(literal).stops(drawn))

    assert len(short) == 40
    assert not Phasegate(TERMS).stops(drawn)[short].any()


def _outcome(judge, drawn) -> Outcome:
    return outcome([observed(judge.name, judge.stops(drawn), drawn)])


def _certain(found: Outcome) -> float:
    """The lowest rate that so many rollbacks leave possible."""
    return clopper_pearson(found.stopped.bad, found.stopped.total, confidence=0.999)[0]
