"""An unsafe plan never starts: every rule, with the numbers that its message must name."""

import copy
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from phasegate.domain.plan import RolloutPlan
from tests.domain.plan_cases import ATTESTED, HOLD, PROVED, UNREPORTED, a_phase, a_plan, staging


def faults(**fields: Any) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        RolloutPlan.model_validate(a_plan(**fields))
    return [detail["msg"].removeprefix("Value error, ") for detail in refused.value.errors()]


def item(**fields: Any) -> dict[str, Any]:
    return {"key": "one", "text": "One thing", "by": "machine", "check": "health"} | fields


def test_a_safe_plan_is_accepted():
    """
    The rules refuse what is unsafe, not what is small.
    """
    plan = RolloutPlan.model_validate(a_plan())

    assert [phase.weight for phase in plan.phases] == [0, 10, 100]
    assert plan.shortest == timedelta(minutes=20)
    assert plan.phase("canary").takes_traffic
    assert not plan.phase("staging").takes_traffic


def test_a_phase_that_is_not_there_is_a_key_error():
    """
    A typing error is not an empty answer.
    """
    with pytest.raises(KeyError, match="kanary"):
        RolloutPlan.model_validate(a_plan()).phase("kanary")


@pytest.mark.parametrize(
    ("phases", "says"),
    [
        (
            [a_phase("half", 50), a_phase("canary", 10), a_phase("full", 100)],
            "phases.1.weight: 10 after 50 in 'half'; weights must rise; allowed: more than 50, up to 100",
        ),
        (
            [a_phase("canary", 10), a_phase("again", 10), a_phase("full", 100)],
            "phases.1.weight: 10 after 10 in 'canary'; weights must rise; allowed: more than 10, up to 100",
        ),
        ([a_phase("canary", 10), a_phase("most", 90)], "phases.1.weight: 90 in the last phase; allowed: 100"),
        ([a_phase("full", 10), a_phase("full", 100)], "phases.1.name: 'full' twice; allowed: each name once"),
        (
            [staging(weight=1), a_phase("full", 100)],
            "phases.0.weight: 1 in staging; allowed: 0, staging takes no production traffic",
        ),
        (
            [a_phase("canary", 10, soak=None), a_phase("full", 100)],
            "phases.0.soak: none at 10 % of production; allowed: a duration of at least 3m",
        ),
        (
            [a_phase("dark", 0, soak=None), a_phase("full", 100)],
            "phases.0.soak: none at 0 % of production; allowed: a duration of at least 3m",
        ),
        (
            [a_phase("canary", 10, soak={"duration": "7m", "warmup": "5m"}), a_phase("full", 100)],
            "phases.0.soak.duration: 7m with a warmup of 5m; allowed: at least 8m, "
            "three intervals after the warmup",
        ),
        (
            [a_phase("canary", 10, rollback=[{"metric": "reported", "text": "smoke"}]), a_phase("full", 100)],
            "phases.0.rollback: 0 automatic thresholds that can act within the soak at 10 % of production; "
            "allowed: at least 1",
        ),
        (
            [
                a_phase("canary", 10, rollback=[{"metric": "error-rate", "above": "1%", "sustained": "11m"}]),
                a_phase("full", 100),
            ],
            "phases.0.rollback: 0 automatic thresholds that can act within the soak at 10 % of production; "
            "allowed: at least 1",
        ),
        (
            [a_phase("canary", 10, success=[UNREPORTED]), a_phase("full", 100)],
            "phases.0.success: 0 criteria that a machine can judge; allowed: at least 1",
        ),
        (
            [a_phase("canary", 10, success=[PROVED, ATTESTED]), a_phase("full", 100)],
            "phases.0.success.1.metric: attested in 'canary', which has no gate, so 'all is well' is asked "
            "of nobody; allowed: a gate, or unreported",
        ),
        (
            [staging(success=[PROVED, UNREPORTED]), a_phase("full", 100)],
            "phases.0.success.1.metric: unreported in 'staging', which takes no traffic; "
            "allowed: attested, at a gate",
        ),
        (
            [
                a_phase("canary", 10, rollback=[{"metric": "error-rate", "above": "0.05%"}]),
                a_phase("full", 100),
            ],
            "phases.0.rollback.0.above: 0.05% takes back what success accepts below 0.1%; "
            "allowed: 0.1% or more",
        ),
        (
            [
                a_phase(
                    "canary",
                    10,
                    success=[{"metric": "latency", "below": "500ms"}],
                    rollback=[{"metric": "latency", "above": "400ms"}],
                ),
                a_phase("full", 100),
            ],
            "phases.0.rollback.0.above: 400ms takes back what success accepts below 500ms; "
            "allowed: 500ms or more",
        ),
        (
            [
                a_phase("canary", 10, rollback=[{"metric": "health", "failing_for": "20s"}]),
                a_phase("full", 100),
            ],
            "phases.0.rollback.0.failing_for: 20s while health is asked every 30s; allowed: at least 30s",
        ),
        (
            [a_phase("canary", 10, load={"rate": 1, "duration": "1m", "mix": "m"}), a_phase("full", 100)],
            "phases.0.load: in a production phase; allowed: in staging phases only",
        ),
        (
            [a_phase("canary", 10, hold=HOLD | {"limit": "0s"}), a_phase("full", 100)],
            "phases.0.hold.limit: 0s; allowed: at least 1s to answer",
        ),
    ],
)
def test_an_unguarded_phase_is_refused(phases, says):
    """
    The message names the phase, the number and what would be allowed.
    """
    assert faults(phases=phases) == [says]


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ({"interval": "500ms", "tick": "100ms"}, "interval: 500ms; allowed: 1s to 15m"),
        ({"tick": "2m"}, "tick: 2m; allowed: 100ms to 1m"),
        ({"tick": "0s"}, "tick: 0s; allowed: 100ms to 1m"),
        (
            {"recovery": {"steady_for": "1h", "limit": "1h"}},
            "recovery.limit: 1h with steady_for 1h; allowed: more than 1h",
        ),
        (
            {"outage": {"tell_after": "1h", "limit": "1h"}},
            "tell_after 1h with limit 1h; allowed: less than 1h",
        ),
        ({"channels": {"critical": []}}, "channels: 0 channels for critical; allowed: at least 1"),
        ({"channels": {"info": ["log"]}}, "channels: 0 channels for critical; allowed: at least 1"),
        (
            {"alerts": [{"metric": "health", "consecutive": 2, "level": "warning", "action": "Look"}]},
            "channels: 0 channels for warning; allowed: at least 1",
        ),
        ({"preflight": [item(), item()]}, "preflight.1.key: 'one' twice in one list; allowed: each key once"),
        (
            {"preflight": [item(by="person")]},
            "preflight.0.check: 'health' on an item by person; allowed: none",
        ),
        (
            {"preflight": [item(check="")]},
            "preflight.0.check: none on an item by machine; allowed: what proves it",
        ),
        (
            {"verification": {"soon": [item(check="sync")]}},
            "verification.soon.0.check: 'sync' but no phase has a validation that prints it; allowed: "
            "health, error-rate, latency, critical-alerts",
        ),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(field, says):
    """
    Each field alone is well-formed; together they would leave a hole.
    """
    assert faults(**field) == [says]


def test_silence_must_warn_before_it_holds():
    """
    Otherwise a release stops before anybody was told why.
    """
    telemetry = a_plan()["telemetry"] | {"silence_warns": "15m"}

    assert faults(telemetry=telemetry) == [
        "telemetry.silence_warns: 15m with silence_holds 15m; allowed: less than 15m"
    ]


def test_an_interval_is_judged_when_its_slow_answers_are_over():
    """
    Else the limit on slow answers would look at the quick ones alone.
    """
    plan = a_plan()
    slow = {"metric": "latency", "percentile": 95, "above": "3s"}
    phases = [*plan["phases"][:-1], plan["phases"][-1] | {"rollback": [slow]}]

    assert faults(phases=phases, telemetry=plan["telemetry"] | {"settle": "3s"}) == [
        "telemetry.settle: 3s, but 'full' takes back what answers more slowly than 3s, "
        "and such an answer is known when it is over; allowed: more than 3s"
    ]
    settled = plan | {"phases": phases, "telemetry": plan["telemetry"] | {"settle": "3001ms"}}
    assert RolloutPlan.model_validate(settled).telemetry.settle == timedelta(milliseconds=3001)


def test_health_is_not_asked_again_before_it_answered():
    """
    Overlapping questions would count one slow answer twice.
    """
    health = a_plan()["health"] | {"within": "40s"}

    assert faults(health=health) == ["health.within: 40s; allowed: 1ms to 30s"]


def test_all_faults_are_named_at_once():
    """
    Nobody should correct a plan one fault at a time.
    """
    phases = [a_phase("half", 50, soak=None), a_phase("canary", 10, rollback=[])]

    (said,) = faults(phases=phases, tick="2m")

    assert said.count("; allowed: ") == 5


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("alpha",), "0%"),
        (("alpha",), "50%"),
        (("phases", 1, "rollback", 0, "above"), "100%"),
        (("phases", 1, "success", 0, "below"), "0%"),
        (("phases", 1, "weight"), float("nan")),
        (("phases", 1, "hold", "on_expiry"), "approve"),
        (("phases", 1, "hold", "roles"), []),
        (("reviewed",), "yesterday"),
    ],
)
def test_a_limit_that_can_never_act_is_refused(path, value):
    """
    An error rate never exceeds 100 %, and a chance of zero never takes anything back.
    """
    plan = copy.deepcopy(a_plan())
    target: Any = plan
    for part in path[:-1]:
        target = target[part]
    target[path[-1]] = value

    with pytest.raises(ValidationError):
        RolloutPlan.model_validate(plan)


def test_the_cuts_are_every_latency_limit_of_the_plan():
    """
    Telemetry has to count requests slower than each of them.
    """
    alert = {"metric": "latency", "slower_than": "1s", "level": "critical", "action": "Look"}
    rules = {
        "success": [{"metric": "latency", "below": "500ms"}],
        "rollback": [{"metric": "latency", "above": "2000ms"}],
    }

    plan = RolloutPlan.model_validate(
        a_plan(alerts=[alert], phases=[staging(), a_phase("full", 100, **rules)])
    )

    assert plan.cuts == (500, 1000, 2000)
