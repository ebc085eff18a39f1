"""What prefect.yaml puts on the server, and that its schedule is alive."""

from typing import Any

import pytest

from tests.e2e.house import LIMIT, House, condition

pytestmark = pytest.mark.e2e


async def test_the_deployments_are_there_as_prefect_yaml_says(house: House):
    """
    The release train is delivered switched off; only the keeper's backup runs by the clock.
    """
    ours = {"work_pools": {"name": {"any_": ["phasegate"]}}}
    found = await house.prefect("POST", "/deployments/filter", ours)

    assert {each["name"] for each in found} == {"release", "rollback", "database-rollback", "watch"}
    schedules = {each["name"]: [plan["active"] for plan in each["schedules"]] for each in found}
    assert schedules == {"release": [False], "rollback": [], "database-rollback": [], "watch": [True]}
    assert {each["status"] for each in found} == {"READY"}


async def test_the_schedule_of_the_keepers_backup_makes_runs(house: House):
    """
    With a wrong SQLAlchemy the scheduler of Prefect is silent: the deployment looks ready and nothing runs.
    """
    watch = await house.prefect("GET", "/deployments/name/watch/watch")
    wanted = {"deployments": {"id": {"any_": [watch["id"]]}}}

    async def scheduled() -> list[dict[str, Any]] | None:
        runs = await house.prefect("POST", "/flow_runs/filter", wanted)
        return [run for run in runs if run["auto_scheduled"]] or None

    try:
        runs = await condition(scheduled, limit=LIMIT)
    finally:
        # It has proven itself; a process a minute would only take time from the tests that follow.
        schedule = f"/deployments/{watch['id']}/schedules/{watch['schedules'][0]['id']}"
        await house.prefect("PATCH", schedule, {"active": False})

    assert {run["deployment_id"] for run in runs} == {watch["id"]}
