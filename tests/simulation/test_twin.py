"""The judge on arrays is the judge of a release: the same evidence and the same stop, minute by minute."""

from dataclasses import replace
from math import lgamma, log
from pathlib import Path

import numpy as np
import pytest

from phasegate.adapters.plan_yaml import load_plan
from phasegate.domain.judge.comparison import begin, compared, log_evidence, raised
from phasegate.domain.judge.course import Course as Rollout
from phasegate.domain.judge.course import Leg, Past
from phasegate.domain.judge.judge import Judge
from phasegate.domain.judge.setting import setting
from phasegate.domain.judge.trial import Trial
from phasegate.domain.plan import Attribution, RolloutPlan
from phasegate.domain.verdict import Finding
from phasegate.simulation import minutes
from phasegate.simulation.draw import draw
from phasegate.simulation.judging import NEVER
from phasegate.simulation.phasegate_judge import Phasegate, course_of, log_trial, terms_of
from phasegate.simulation.rollouts import Rollouts
from phasegate.simulation.scenario import REGRESSIONS, Course, Disturbance, Scenario
from phasegate.simulation.twin import evidence
from phasegate.simulation.twin.likelihood import log_gamma

PLANS = Path(__file__).parents[2] / "deployments" / "plans"
SHORT = Course(((20, 0.1), (20, 0.5)))


@pytest.fixture(scope="module")
def plan() -> RolloutPlan:
    return load_plan("production", search=(PLANS,))


def test_the_gamma_function_is_the_gamma_function():
    """
    Everything rests on it, and numpy has none.
    """
    points = np.array([1e-3, 0.5, 1, 1.5, 2, 7.99, 8, 30.5, 1e3, 1e6, 1e9])

    expected = [lgamma(point) for point in points]
    assert log_gamma(points).tolist() == pytest.approx(expected, rel=1e-14, abs=1e-13)


@pytest.mark.parametrize("traffic", [0.2, 10, 1000])
@pytest.mark.parametrize("disturbance", [Disturbance.BURST, Disturbance.MISSING, Disturbance.CLUSTERS])
def test_a_stream_has_the_same_evidence(traffic: float, disturbance: Disturbance):
    """
    One part in a billion of E, wherever the two are looked at.
    """
    drawn = draw(Scenario(traffic, disturbance=disturbance, course=SHORT, regression=REGRESSIONS["x5"]), 2)
    rollout = Rollout(tuple(Leg(share, length) for length, share in SHORT.phases), 1.0)
    past = drawn.history
    settings = [
        setting(Past((int(bad), int(total)), float(flow), scatter), rollout)
        for bad, total, flow, scatter in zip(past.errors, past.total, past.traffic, past.scatter, strict=True)
    ]
    arms = [(arm.errors.astype(float), arm.total.astype(float)) for arm in (drawn.canary, drawn.control)]

    found = evidence.log_evidence(arms[0], arms[1], (20,), how=evidence.gathered(settings))

    for row, how in enumerate(settings):
        kept = begin(how)
        for at, (canary, control) in enumerate(_pairs(drawn, row)):
            kept = compared(raised(kept) if at == 20 else kept, canary, control, how=how)
            assert found[row, at] == pytest.approx(log_evidence(kept, how=how), abs=1e-9)


@pytest.mark.parametrize(
    ("traffic", "regression", "disturbance"),
    [
        (10, "5%", Disturbance.NONE),
        (0.2, "50%", Disturbance.MISSING),
        (10, "slower-2", Disturbance.NONE),
        (50, "tail", Disturbance.CLUSTERS),
        (20, "A/A", Disturbance.NOISE),
    ],
)
def test_a_release_has_the_same_evidence_and_stop(
    plan: RolloutPlan, traffic: float, regression: str, disturbance: Disturbance
):
    """
    Errors, latency, limits and warmup of a real plan: what the arrays say is what a release would do.
    """
    course = course_of(plan)
    scenario = Scenario(
        traffic,
        course=replace(course, phases=((30, 0.1), (20, 0.5))),
        regression=REGRESSIONS[regression],
        disturbance=disturbance,
        cuts=plan.counted,
    )
    # Both must know the same course: the plan's soaks are cut to the scenario's length.
    phases = tuple(
        phase.model_copy(update={"soak": phase.soak.model_copy(update={"duration": length * plan.interval})})
        if phase.soak and (length := {"canary": 30, "partial": 20}.get(phase.name))
        else phase
        for phase in plan.phases
    )
    short = plan.model_copy(update={"phases": phases})
    drawn = draw(scenario, 2)

    found = log_trial(drawn, terms_of(short))
    stops = Phasegate(terms_of(short)).stops(drawn)

    for row in range(drawn.count):
        expected, stop = _judged(short, drawn, row)
        assert found[row].tolist() == pytest.approx(expected, abs=1e-9)
        assert stops[row] == stop


@pytest.mark.parametrize("traffic", [1, 10, 100])
def test_a_shared_breach_is_excused_for_as_long(plan: RolloutPlan, traffic: float):
    """
    Bursts on both arms, with a plan that attributes: held and taken back after the same interval.
    """
    attributed = plan.model_copy(update={"attribution": Attribution.ATTRIBUTED})
    terms = replace(terms_of(attributed), alpha=1e-9)
    scenario = Scenario(traffic, course=course_of(plan), disturbance=Disturbance.BURST)
    drawn = draw(scenario, 2)

    stops = Phasegate(terms).stops(drawn)

    assert stops.tolist() == [_limited(attributed, drawn, row) for row in range(drawn.count)]


@pytest.mark.parametrize(
    ("traffic", "part"), [(0.2, 0.4), (0.8, 0.4), (1, 0.3), (8, 0.3), (10, 0.1), (1000, 0.1)]
)
def test_latency_has_less_of_the_evidence_where_it_shows_at_once(
    plan: RolloutPlan, traffic: float, part: float
):
    """
    Fixed at deploy from the traffic alone; a judge that was stored before this was chosen has half.
    """
    drawn = draw(Scenario(traffic, course=course_of(plan), cuts=plan.counted), 1)
    judge = Judge(plan, control=minutes.CONTROL, canary=minutes.CANARY)
    for minute in minutes.remembered(drawn, 0):
        judge.learn(minute)
    judge.enter("canary", minutes.BEGIN)

    for minute in list(minutes.rolled_out(drawn, 0))[:30]:
        judge.add(minute)

    trial = judge._trial
    written = trial.state()
    assert trial.latency_share == part
    assert Trial.load(trial.terms, written).latency_share == part
    del written["latency_share"]
    assert Trial.load(trial.terms, written).latency_share == 0.5


def test_a_stream_that_has_decided_is_left_alone():
    """
    What comes after the decision is not computed, and what came before is not changed by that.
    """
    drawn = draw(Scenario(10, regression=REGRESSIONS["5%"], course=Course(((60, 0.5),))), 20)
    terms = terms_of(load_plan("production", search=(PLANS,)))

    whole, cut = log_trial(drawn, terms), log_trial(drawn, terms, enough=log(400))

    assert ((whole >= log(100)).argmax(axis=1) == (cut >= log(100)).argmax(axis=1)).all()


def _judged(plan: RolloutPlan, drawn: Rollouts, row: int) -> tuple[list[float], int]:
    """ln E after each interval, and the first after which the verdict is harmful."""
    judge = Judge(plan, control=minutes.CONTROL, canary=minutes.CANARY)
    for minute in minutes.remembered(drawn, row):
        judge.learn(minute)
    evidence, stop = [], NEVER
    for at, minute in enumerate(minutes.rolled_out(drawn, row)):
        if at in drawn.course.steps:
            judge.enter(("canary", "partial")[drawn.course.steps.index(at)], minute.start)
        judge.add(minute)
        evidence.append(judge._trial.log_evidence if judge._trial.total else 0.0)
        if stop == NEVER and judge.verdict(minute.end).finding is Finding.HARMFUL:
            stop = at + 1
    return evidence, stop


def _limited(plan: RolloutPlan, drawn: Rollouts, row: int) -> int:
    """The first interval after which one of the plan's limits says harmful."""
    judge = Judge(plan, control=minutes.CONTROL, canary=minutes.CANARY)
    for at, minute in enumerate(minutes.rolled_out(drawn, row)):
        if at in drawn.course.steps:
            judge.enter(("canary", "partial")[drawn.course.steps.index(at)], minute.start)
        judge.add(minute)
        limits = [one for one in judge.verdict(minute.end).reasons if one.rule.endswith("-limit")]
        if any(one.finding is Finding.HARMFUL for one in limits):
            return at + 1
    return NEVER


def _pairs(drawn: Rollouts, row: int):
    arms = (drawn.canary, drawn.control)
    for at in range(drawn.intervals):
        yield tuple((int(arm.errors[row, at]), int(arm.total[row, at])) for arm in arms)
