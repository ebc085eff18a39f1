"""From a verdict to what happens to the traffic."""

import pytest
from judge_cases import T0, a_phase, a_plan

from phasegate.domain.decision import Action, decide
from phasegate.domain.verdict import Finding, Reason, Verdict


def a_verdict(finding: Finding, **changes) -> Verdict:
    reason = Reason(criterion="error-rate", finding=finding, rule="absolute-limit", text="told")
    return Verdict(phase="canary", at=T0, finding=finding, reasons=(reason,), **changes)


def the_phase(**changes):
    return a_plan(phases=[a_phase("canary", 10, **changes), a_phase("full", 100)]).phase("canary")


@pytest.mark.parametrize("approved", [False, True])
def test_approval_does_not_carry_a_sick_canary(approved):
    """
    A harmful verdict aborts even when somebody approved.
    """
    decision = decide(the_phase(), a_verdict(Finding.HARMFUL), extended=0, approved=approved)

    assert decision.action is Action.ABORT
    assert decision.because[0].criterion == "error-rate"


def test_a_healthy_phase_is_promoted():
    """
    Every criterion was proved: nobody has to be asked.
    """
    decision = decide(the_phase(), a_verdict(Finding.HEALTHY), extended=0, approved=False)

    assert decision.action is Action.PROMOTE
    assert not decision.accepted_low_traffic


def test_thin_evidence_is_extended_as_often_as_the_plan_says_and_then_asked():
    """
    Silence is not health; after the last extension a person decides.
    """
    actions = [
        decide(the_phase(), a_verdict(Finding.INCONCLUSIVE), extended=n, approved=False).action
        for n in range(4)
    ]

    assert actions == [Action.EXTEND, Action.EXTEND, Action.ASK, Action.ASK]


def test_a_violated_criterion_is_not_extended():
    """
    More time does not make a proved violation better.
    """
    verdict = a_verdict(Finding.INCONCLUSIVE, violated=True)

    assert decide(the_phase(), verdict, extended=0, approved=False).action is Action.ASK


def test_a_person_may_answer_the_hold():
    """
    The hold question exists so that somebody can say go on.
    """
    decision = decide(the_phase(), a_verdict(Finding.INCONCLUSIVE), extended=2, approved=True)

    assert decision.action is Action.PROMOTE


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ({}, Action.PROMOTE),
        ({"silent": True}, Action.ASK),
        ({"violated": True}, Action.ASK),
        ({"doubtful": True}, Action.ASK),
    ],
)
def test_low_traffic_is_accepted_only_when_nothing_speaks_against_it(changes, action):
    """
    Few requests may be accepted in the plan; silence, a violation and counts that look bad may not.
    """
    phase = the_phase(low_traffic="accept")

    decision = decide(phase, a_verdict(Finding.INCONCLUSIVE, **changes), extended=2, approved=False)

    assert decision.action is action
    assert decision.accepted_low_traffic is (action is Action.PROMOTE)


def test_a_phase_without_a_soak_is_not_extended():
    """
    Staging has no clock that could run longer.
    """
    plan = a_plan()

    verdict = a_verdict(Finding.INCONCLUSIVE)

    assert decide(plan.phase("staging"), verdict, extended=0, approved=False).action is Action.ASK
