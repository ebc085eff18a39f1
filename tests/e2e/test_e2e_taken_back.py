"""Releases that are taken back: by their own fault, by a cancel, by a person."""

from datetime import timedelta

import pytest

from phasegate.domain.events import Outcome
from phasegate.domain.ledger import ReleaseState
from tests.e2e.house import House

pytestmark = pytest.mark.e2e

INTERVAL = timedelta(seconds=1)
NOBODY = "http://127.0.0.1:9/api"


async def test_a_version_that_fails_requests_is_rolled_back_within_two_intervals(house: House):
    """
    Eight in a hundred answers fail: a few seconds of users are enough to see it, two more see it over.
    """
    good = await house.serving()

    async with house.busy(rate=60):
        done = await house.phasegate(*house.asked("0.1.13-errors", "held-canary"), "--wait")

    assert done.code == 3, done.out + done.err
    state = await house.until(await newest(house), lambda state: state.ended is not None)
    assert await house.serving() == good
    assert state.breached_at is not None
    assert state.restored_at is not None
    assert state.restored_at - state.breached_at <= 2 * INTERVAL
    run = await house.run_over(state.run)
    assert (run["state_type"], run["state_name"]) == ("FAILED", "RolledBack")
    assert f"rollback-{state.release}" in await subflows(house, state.run)


async def test_cancelling_the_run_takes_the_release_back(house: House):
    """
    Whoever presses Cancel in the UI wants the version gone, not a split that nobody drives.
    """
    good = await house.serving()
    release = await house.start(await house.next_good(), "long-canary")
    await house.until(release.name, under_traffic)

    cancelling = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
    await house.prefect("POST", f"/flow_runs/{release.run}/set_state", cancelling)
    state = await house.ended(release.name)

    assert state.ended is not None
    assert state.ended.outcome is Outcome.ROLLED_BACK
    assert await house.serving() == good


async def test_abort_restores_at_once_although_prefect_is_away(house: House):
    """
    The way back needs the ledger and the platform, and nothing else; the rest follows.
    """
    good = await house.serving()
    release = await house.start(await house.next_good(), "long-canary")
    await house.until(release.name, under_traffic)

    why = ("--by", "Ada", "--reason", "users report wrong totals")
    done = await house.phasegate("abort", release.name, *why, PHASEGATE_PREFECT_API_URL=NOBODY)

    assert done.code == 0, done.err
    assert "127.0.0.1:9" in done.err
    assert await house.serving() == good
    state = await house.ended(release.name)
    assert state.ended is not None
    assert state.ended.outcome is Outcome.ROLLED_BACK


def under_traffic(state: ReleaseState) -> bool:
    """Whether the candidate takes production requests and is being watched."""
    return state.phase in state.soaks and state.exposed


async def newest(house: House) -> str:
    """The service's release that was opened last."""
    async with house.hands() as hands:
        return (await hands.journal.ledger.releases(service=house.service))[0].release


async def subflows(house: House, run: str) -> list[str]:
    """The names of the flows that *run* has called."""
    children = {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}}
    return [child["name"] for child in await house.prefect("POST", "/flow_runs/filter", children)]
