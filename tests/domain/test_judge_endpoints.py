"""What endpoints add to the evidence of all requests together."""

from math import exp, log

import pytest
from judge_cases import CANARY, STABLE, a_minute, a_plan

from phasegate.domain.judge.trial import REST, REST_SHARE, Terms, Trial
from phasegate.domain.observation import Counts


def compared(*endpoints, minutes=3):
    """A trial in which the canary fails more often on each of the *endpoints*."""
    plan = a_plan()
    trial = Trial.start(Terms.of(plan, canary=CANARY, control=STABLE))
    trial.enter(next(phase for phase in plan.phases if phase.name == "canary"))
    for at in range(minutes):
        rows = [
            Counts(version=version, endpoint=name, total=total, errors=errors)
            for name in endpoints
            for version, total, errors in ((CANARY, 600, 9), (STABLE, 5400, 9))
        ]
        trial.add(a_minute(at, *rows))
    return trial


def test_a_service_with_one_endpoint_loses_nothing():
    """
    Its endpoint is the whole: there is nothing to share the evidence with.
    """
    trial = compared("/")

    assert trial.log_errors == trial.total.log_evidence > log(10)


def test_endpoints_that_nobody_knew_at_deploy_cost_the_others_little():
    """
    Their stream waits empty in most releases.
    """
    trial = compared("/a", "/b")

    named = [exp(trial.endpoints[name].log_evidence) for name in ("/a", "/b")]
    spread = (1 - REST_SHARE) * sum(named) / 2 + REST_SHARE * exp(trial.endpoints[REST].log_evidence)
    assert exp(trial.log_errors) == pytest.approx((exp(trial.total.log_evidence) + spread) / 2)
    assert trial.endpoints[REST].log_evidence == pytest.approx(0)
