"""The shipped plans carry the runbook: each of its numbers, asserted where the plan has it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from phasegate.adapters.plan_yaml import load_plan
from phasegate.domain.criteria import (
    Attested,
    ErrorRateAbove,
    ErrorRateBelow,
    HealthFailing,
    HealthPassing,
    LatencyAbove,
    LatencyBelow,
    Level,
    NoCriticalAlert,
    Reported,
    Unreported,
)
from phasegate.domain.plan import Attribution, Environment, LowTraffic, Phase, RolloutPlan

pytestmark = pytest.mark.patient

SHIPPED = Path(__file__).parents[1] / "deployments" / "plans"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
MS = timedelta(milliseconds=1)
TAKING = ("canary", "partial", "full")


@pytest.fixture(scope="module")
def plan() -> RolloutPlan:
    return load_plan("production", search=(SHIPPED,))


def automatic(phase: Phase) -> list[Any]:
    return [rule for rule in phase.rollback if not isinstance(rule, Reported)]


def reported(phase: Phase) -> list[str]:
    return [rule.text for rule in phase.rollback if isinstance(rule, Reported)]


def test_the_four_stages_and_their_traffic(plan):
    """
    "Staging - 0 %, Canary (10%), Partial (50%), Full (100%)".
    """
    assert [(phase.name, phase.weight) for phase in plan.phases] == [
        ("staging", 0),
        ("canary", 10),
        ("partial", 50),
        ("full", 100),
    ]
    assert [phase.environment for phase in plan.phases] == [
        Environment.STAGING,
        *[Environment.PRODUCTION] * 3,
    ]


@pytest.mark.parametrize(("name", "hours"), [("canary", 2), ("partial", 4), ("full", 24)])
def test_the_minimum_durations(plan, name, hours):
    """
    "2 hours minimum", "4 hours minimum", "24 hours minimum".
    """
    assert plan.phase(name).soak.duration == hours * HOUR


@pytest.mark.parametrize("name", ["staging", *TAKING])
def test_the_success_criteria_of_every_phase(plan, name):
    """
    "Error rate < 0.1%, P95 latency < 500ms, zero critical alerts, all health checks passing".
    """
    proved = {rule for rule in plan.phase(name).success if not isinstance(rule, Attested | Unreported)}

    assert proved == {
        ErrorRateBelow(metric="error-rate", below=0.001),
        LatencyBelow(metric="latency", percentile=95, below=500 * MS),
        HealthPassing(metric="health"),
        NoCriticalAlert(metric="critical-alerts"),
    }


def test_the_canary_is_taken_back_by_the_runbooks_limits(plan):
    """
    "Error rate > 1%, P95 latency > 2000ms, health check fails for > 2 minutes"; 3 consecutive failures.
    """
    assert automatic(plan.phase("canary")) == [
        ErrorRateAbove(metric="error-rate", above=0.01),
        LatencyAbove(metric="latency", percentile=95, above=2000 * MS),
        HealthFailing(metric="health", failing_for=2 * MINUTE, consecutive=3),
    ]
    assert reported(plan.phase("canary"))[:3] == [
        "Data corruption detected",
        "Security vulnerability discovered",
        "Critical user-reported bug",
    ]


def test_the_partial_phase_adds_what_lasts(plan):
    """
    "Same as Phase 1, plus: sustained degradation over 15 minutes, database connections, memory leaks".
    """
    canary, partial = plan.phase("canary"), plan.phase("partial")

    more = [rule for rule in partial.rollback if rule not in canary.rollback]

    assert set(canary.rollback) < set(partial.rollback)
    assert more == [
        ErrorRateAbove(metric="error-rate", above=0.005, sustained=15 * MINUTE),
        LatencyAbove(metric="latency", percentile=95, above=1000 * MS, sustained=15 * MINUTE),
        Reported(metric="reported", text="Database connection issues"),
        Reported(metric="reported", text="Memory leaks detected"),
    ]


def test_the_full_phase_has_a_higher_bar_and_is_still_guarded(plan):
    """
    The four reasons of the runbook are for people; its P1 limits act alone.
    """
    full = plan.phase("full")

    assert automatic(full) == [
        ErrorRateAbove(metric="error-rate", above=0.05),
        LatencyAbove(metric="latency", percentile=95, above=5000 * MS),
        HealthFailing(metric="health", failing_for=2 * MINUTE, consecutive=3),
    ]
    assert reported(full) == [
        "Critical data loss or corruption",
        "Severe performance regression impacting all users",
        "Security incident requiring immediate action",
        "Legal/compliance issue",
    ]


def test_staging_is_validated_loaded_and_tried(plan):
    """
    Integration tests, "100 req/s for 5 minutes", five smoke tests by hand.
    """
    staging = plan.phase("staging")

    assert staging.validation.command == ("pnpm", "test:integration")
    assert (staging.load.rate, staging.load.duration) == (100, 5 * MINUTE)
    assert [item.text for item in staging.checklist] == [
        "Load application in browser",
        "Verify service worker registration",
        "Test CRUD operations",
        "Test offline functionality",
        "Verify sync behavior",
    ]


def test_the_alert_table(plan):
    """
    Eight lines, in the runbook's order.
    """
    table = [
        (
            alert.metric,
            alert.above or alert.slower_than or alert.consecutive or alert.more_than,
            alert.level.value,
        )
        for alert in plan.alerts
    ]

    assert table == [
        ("error-rate", 0.005, "warning"),
        ("error-rate", 0.01, "critical"),
        ("latency", 1000 * MS, "warning"),
        ("latency", 2000 * MS, "critical"),
        ("health", 2, "warning"),
        ("health", 3, "critical"),
        ("5xx-per-minute", 5, "warning"),
        ("5xx-per-minute", 20, "critical"),
    ]
    assert [alert.action for alert in plan.alerts] == [
        *["Investigate", "Consider rollback"] * 2,
        *["Investigate", "Rollback", "Investigate", "Immediate action"],
    ]
    assert {alert.percentile for alert in plan.alerts} == {95}


def test_the_channels(plan):
    """
    "PagerDuty", "Slack #eng-alerts", "Deployment log"; rollbacks in #deployments, incidents in #incidents.
    """
    assert plan.channels == {
        Level.CRITICAL: ("pagerduty",),
        Level.WARNING: ("slack:#eng-alerts",),
        Level.INFO: ("deployment-log",),
    }
    assert plan.communication.rollback == ("slack:#deployments", "status-page")
    assert plan.communication.incident == ("slack:#incidents",)
    assert plan.communication.internal.count("\n") == 6
    assert plan.communication.external.startswith("We're investigating reports of [issue description].")


def test_the_health_contract(plan):
    """
    "Non-200, > 1000ms, missing required fields, status !== healthy".
    """
    health = plan.health

    assert (health.path, health.status, health.within) == ("/health", 200, 1000 * MS)
    assert health.fields == ("status", "timestamp", "version", "checks.assets", "checks.database")
    assert health.expect == {"status": "healthy"}


def test_three_failures_in_a_row_are_two_minutes_of_failing(plan):
    """
    The alert table and the phases name one moment, not two.
    """
    assert 2 * plan.health.every == 2 * MINUTE


def test_the_clocks(plan):
    """
    Minutes are judged, silence warns after 5 and holds after 15 of them.
    """
    assert (plan.interval, plan.tick, plan.alpha) == (MINUTE, timedelta(seconds=5), 0.01)
    assert plan.attribution is Attribution.LITERAL
    assert (plan.telemetry.settle, plan.telemetry.silence_warns) == (2 * MINUTE, 5 * MINUTE)
    assert plan.telemetry.silence_holds == 15 * MINUTE
    assert plan.shortest == 30 * HOUR + 5 * MINUTE


def test_low_traffic_never_promotes_in_production(plan):
    """
    Silence is not health.
    """
    assert {phase.low_traffic for phase in plan.phases} == {LowTraffic.HOLD}
