"""A plan's digest: the same for the same plan, however it is written, and for no other."""

from pathlib import Path

from phasegate.adapters.plan_yaml import load_plan
from phasegate.domain.digest import plan_digest
from phasegate.domain.plan import RolloutPlan

SHIPPED = Path(__file__).parents[2] / "deployments" / "plans"


def changed(**fields: object) -> RolloutPlan:
    plan = load_plan("production", search=(SHIPPED,))
    return RolloutPlan.model_validate(plan.model_dump(mode="json") | fields)


def test_a_plan_survives_being_stored():
    """
    The ledger keeps the plan as JSON; what comes back judges the same.
    """
    plan = load_plan("production", search=(SHIPPED,))

    again = RolloutPlan.model_validate_json(plan.model_dump_json())

    assert again == plan
    assert plan_digest(again) == plan_digest(plan)


def test_the_digest_ignores_how_a_plan_is_written():
    """
    The same quantities in other words are the same plan.
    """
    one, other = changed(alpha="1%", interval="1m"), changed(alpha=0.01, interval="60s")

    assert plan_digest(one) == plan_digest(other)
    assert len(plan_digest(one)) == 64


def test_the_digest_sees_the_smallest_change():
    """
    An approval names the plan by its digest.
    """
    assert plan_digest(changed(alpha="1%")) != plan_digest(changed(alpha="1.00001%"))
