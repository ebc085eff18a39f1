"""The shipped plan asks people for every line of the runbook that is theirs."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from phasegate.adapters.plan_yaml import load_plan
from phasegate.domain.criteria import (
    Unreported,
)
from phasegate.domain.plan import OnExpiry, RolloutPlan

pytestmark = pytest.mark.patient

SHIPPED = Path(__file__).parents[1] / "deployments" / "plans"


TAKING = ("canary", "partial", "full")


@pytest.fixture(scope="module")
def plan() -> RolloutPlan:
    return load_plan("production", search=(SHIPPED,))


def test_what_only_people_see_is_asked_of_a_named_role(plan):
    """
    "Zero rollback-worthy issues", "positive user feedback", "no escalations", "dashboards green".
    """
    asked = {
        phase.name: [(rule.text, *rule.asked) for rule in phase.success if isinstance(rule, Unreported)]
        for phase in plan.phases
    }
    reports = ("No user-reported regressions", "on-call-engineer")
    worthy = ("Zero rollback-worthy issues", "on-call-engineer")

    assert asked == {
        "staging": [],
        "canary": [worthy, reports],
        "partial": [worthy, reports, ("Positive user feedback (if applicable)", "product-owner")],
        "full": [
            reports,
            ("No escalations or incidents", "on-call-engineer"),
            ("User sentiment stable or improved", "product-owner"),
            ("All monitoring dashboards green", "on-call-engineer"),
        ],
    }


def test_go_no_go_asks_both_roles(plan):
    """
    "Go/No-Go Decision: Engineering Lead + Product Owner"; later phases advance by themselves.
    """
    gate = plan.phase("staging").gate

    assert gate.roles == ("engineering-lead", "product-owner")
    assert gate.on_expiry is OnExpiry.REJECT
    assert [plan.phase(name).gate for name in TAKING] == [None, None, None]
    assert {phase.hold.on_expiry for phase in plan.phases} == {OnExpiry.REJECT}


def test_the_checklists_have_every_line(plan):
    """
    6 + 6 + 5 + 11 lines before, 5 + 5 + 5 after.
    """
    groups = [item.group for item in plan.preflight]

    assert [groups.count(group) for group in dict.fromkeys(groups)] == [6, 6, 5, 11]
    assert {period: len(items) for period, items in plan.verification.items()} == {
        "immediate": 5,
        "short-term": 5,
        "long-term": 5,
    }


def test_machines_prove_exactly_the_validation_tests(plan):
    """
    The keys are those that the validation command prints.
    """
    assert [item.check for item in plan.preflight if item.check] == [
        *["health", "crud-create", "crud-read", "crud-update", "crud-delete"],
        *["sync-up", "sync-down", "sync-conflict", "auth-401", "auth-expiry", "auth-refresh"],
    ]


def test_what_is_done_afterwards_and_who_keeps_the_plan(plan):
    """
    Post-deployment tasks, owner, last and next review a quarter later.
    """
    assert plan.phase("full").tasks == (
        "Update production documentation",
        "Archive old deployment",
        "Clean up staging resources",
        "Schedule post-mortem (if issues occurred)",
    )
    assert (plan.owner, plan.reviewed, plan.upkeep.next_review) == (
        "Platform Engineering",
        "2026-02-17",
        "2026-05-17",
    )
    assert date.fromisoformat(plan.upkeep.next_review) - date.fromisoformat(plan.reviewed) < timedelta(
        days=93
    )
