"""How the orchestrator's runs stand, read and changed over HTTP, on the house's hardened Prefect server."""

import uuid

import pytest

from phasegate.adapters.prefect_runs import PrefectRuns
from phasegate.domain.errors import RunsAway
from phasegate.ports import RunStatus
from tests.e2e.paper_runs import SCHEMA, Prefect, a_run, the_runs

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("SCHEDULED", "Late", RunStatus.ACTIVE),
        ("PENDING", "Submitting", RunStatus.ACTIVE),
        ("RUNNING", "Running", RunStatus.ACTIVE),
        ("PAUSED", "Suspended", RunStatus.SUSPENDED),
        ("PAUSED", "Paused", RunStatus.ACTIVE),
        ("CANCELLING", "Cancelling", RunStatus.CANCELLED),
        ("CANCELLED", "Cancelled", RunStatus.CANCELLED),
        ("FAILED", "Failed", RunStatus.LOST),
        ("CRASHED", "Crashed", RunStatus.LOST),
        ("COMPLETED", "Completed", RunStatus.DONE),
    ],
)
async def test_each_state_has_one_meaning(
    prefect: Prefect, runs: PrefectRuns, kind: str, name: str, expected: RunStatus
):
    """
    The keeper acts on what a run's state means, so each of Prefect's is pinned down.
    """
    run = await a_run(runs)
    prefect.force(run, kind, name)

    status = await runs.status(run)

    assert status is expected


async def test_a_run_that_prefect_does_not_know_is_unknown(runs: PrefectRuns):
    """
    A deleted run is a finding, not an outage.
    """
    assert await runs.status(str(uuid.uuid4())) is RunStatus.UNKNOWN
    assert await runs.status("not-an-id") is RunStatus.UNKNOWN


async def test_a_wrong_address_does_not_look_like_a_lost_run(prefect: Prefect):
    """
    A 404 of something else must never have a release rolled back.
    """
    runs = the_runs(prefect.api_url.removesuffix("/api") + "/api/nowhere")

    with pytest.raises(RunsAway, match="API's address"):
        await runs.status(str(uuid.uuid4()))

    await runs.aclose()


async def test_a_run_that_waits_without_input_is_woken(prefect: Prefect, runs: PrefectRuns):
    """
    A soak's end is reached without a person.
    """
    run = await a_run(runs)
    prefect.suspend(run)

    woken = await runs.wake(run)

    assert woken
    assert prefect.run(run)["state_name"] == "Resuming"
    assert not await runs.wake(run)


async def test_a_run_that_waits_for_a_person_is_not_woken(prefect: Prefect, runs: PrefectRuns):
    """
    A gate is answered with a form; the keeper does not press its button.
    """
    run = await a_run(runs)
    prefect.suspend(run, form=SCHEMA)

    woken = await runs.wake(run)

    assert not woken
    assert await runs.input_wanted(run)
    assert prefect.run(run)["state_name"] == "Suspended"


async def test_an_artifact_is_shown_with_its_run(prefect: Prefect, runs: PrefectRuns):
    """
    A verdict is published under a stable key, with whatever characters phase names have.
    """
    run = await a_run(runs)
    key = f"Verdict {run[:8]}"

    await runs.publish(run, key=key, markdown="# One\n")
    await runs.publish(run, key=key, markdown="# Two\n")

    latest = prefect.get(f"/artifacts/verdict-{run[:8]}/latest").json()
    assert latest["data"] == "# Two\n"
    assert latest["flow_run_id"] == run


async def test_a_suspended_run_is_cancelled_at_once(prefect: Prefect, runs: PrefectRuns):
    """
    The run of a release that was rolled back without it must not wait for ever.
    """
    run = await a_run(runs)
    prefect.suspend(run, form=SCHEMA)

    await runs.cancel(run)
    await runs.cancel(run)

    assert prefect.run(run)["state_type"] in ("CANCELLED", "CANCELLING")
