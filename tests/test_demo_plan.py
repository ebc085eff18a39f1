"""The demo is the production plan in two minutes: only durations, load and thin traffic differ."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from phasegate.adapters.plan_yaml import load_plan
from phasegate.domain.plan import LowTraffic, RolloutPlan

pytestmark = pytest.mark.patient

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "deployments" / "plans"
KEPT = sorted(
    file for folder in ("benchmarks/plans", "tests/e2e/plans") for file in (ROOT / folder).glob("*.yaml")
)


@pytest.fixture(scope="module")
def plan() -> RolloutPlan:
    return load_plan("production", search=(SHIPPED,))


def essence(plan: RolloutPlan) -> dict[str, Any]:
    """What of *plan* must not differ in a demo: weights, criteria, limits, questions; no durations."""
    return {
        phase.name: (
            phase.environment,
            phase.weight,
            phase.success,
            tuple(
                rule.model_copy(
                    update={key: None for key in ("sustained", "failing_for") if hasattr(rule, key)}
                )
                for rule in phase.rollback
            ),
            phase.checklist,
            phase.gate and (phase.gate.name, phase.gate.roles, phase.gate.on_expiry),
            (phase.hold.name, phase.hold.roles, phase.hold.on_expiry),
            phase.tasks,
        )
        for phase in plan.phases
    }


@pytest.mark.parametrize("name", ["demo", "demo-keep"])
def test_the_demo_is_the_production_plan_with_short_soaks(plan, name):
    """
    What the demo shows is what production does: same weights, criteria and limits.
    """
    demo = load_plan(name, search=(SHIPPED,))

    assert essence(demo) == essence(plan)
    for field in ("alerts", "channels", "attribution", "alpha", "preflight", "verification", "on_lost_run"):
        assert getattr(demo, field) == getattr(plan, field)
    assert [
        rule.sustained for rule in demo.phase("partial").rollback if getattr(rule, "sustained", None)
    ] == [timedelta(seconds=15)] * 2


def test_the_demo_takes_a_minute_of_soaks():
    """
    Short enough to watch; the gate stands 45 s, or an hour in the plan that keeps.
    """
    demo, keep = (load_plan(name, search=(SHIPPED,)) for name in ("demo", "demo-keep"))

    assert demo.shortest == timedelta(seconds=63)
    assert demo.phase("staging").gate.limit == timedelta(seconds=45)
    assert keep.phase("staging").gate.limit == timedelta(hours=1)
    assert demo.phase("full").low_traffic is LowTraffic.HOLD


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_a_plan_of_the_benchmarks_and_tests_is_legal(file: Path) -> None:
    """A rule that the demo plan gains can make a plan that extends it illegal; its release never opens."""

    plan = load_plan(file.stem, search=(file.parent, SHIPPED))

    assert plan.name == file.stem
