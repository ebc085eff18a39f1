"""What a service serves, measured through the platform's own telemetry."""

from datetime import UTC, datetime, timedelta

import pytest
from cloudflare_cloud import WORKER, a_cloud

from phasegate.actions.measuring import measure_traffic
from phasegate.domain.errors import Refused
from phasegate.domain.plan import RolloutPlan
from tests.domain.judge_cases import a_plan

SPAN = timedelta(seconds=6)


def quick() -> RolloutPlan:
    """A plan by the second whose source is settled at once; one cut at 60 ms."""
    plan = a_plan(interval="1s", tick="1s")
    return plan.model_copy(update={"telemetry": plan.telemetry.model_copy(update={"settle": timedelta(0)})})


def soon() -> datetime:
    """When the interval of the last visit is complete."""
    return datetime.now(UTC) + timedelta(seconds=1)


async def test_traffic_is_measured_over_every_version():
    """
    The canary of tomorrow has no history; the service has.
    """
    async with a_cloud() as cloud:
        await cloud.live_at(50, 50)
        await cloud.visit(*["/items/1"] * 9, "/fail")

        traffic = await measure_traffic(cloud.telemetry, WORKER, plan=quick(), now=soon(), span=SPAN)

        assert 10 / 7 <= traffic.rps <= 10 / 5
        assert traffic.errors == (1 + 0.5) / (10 + 500)
        assert set(traffic.slow) == set(quick().cuts)
        assert "10 requests" in traffic.source
        assert "1 failed" in traffic.source


async def test_a_service_that_served_nothing_has_no_traffic_to_plan_with():
    """
    Nothing is not zero errors: the message says what to do instead.
    """
    async with a_cloud() as cloud:
        await cloud.live_at(100)

        with pytest.raises(Refused, match="served nothing in the last 6s; look further back"):
            await measure_traffic(cloud.telemetry, WORKER, plan=quick(), now=soon(), span=SPAN)
