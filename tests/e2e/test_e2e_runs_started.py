"""Runs are started, taken up and rolled back over HTTP, each once, on the house's hardened Prefect server."""

import asyncio
import uuid

import pytest

from phasegate.adapters.prefect_runs import PrefectRuns
from phasegate.domain.errors import FixTheInput, RunsAway, SettingsError
from tests.e2e.paper_runs import ASKED, Prefect, a_release, the_runs

pytestmark = pytest.mark.e2e


async def test_the_same_key_starts_one_run(prefect: Prefect, runs: PrefectRuns):
    """
    CI that sends its request again must not release twice.
    """
    key = uuid.uuid4().hex

    first = await runs.start({"release": "r"}, idempotency_key=key)
    second = await runs.start({"release": "r"}, idempotency_key=key)

    assert first == second
    assert prefect.run(first)["parameters"]["release"] == "r"


async def test_a_wrong_parameter_is_named(runs: PrefectRuns):
    """
    Whoever typed it must see which field and what is allowed.
    """
    with pytest.raises(FixTheInput, match=r"weight: 500 is greater than the maximum of 100"):
        await runs.start({"weight": 500}, idempotency_key=uuid.uuid4().hex)


async def test_taking_up_twice_starts_one_run(prefect: Prefect, runs: PrefectRuns):
    """
    Two keepers may find the same dead run in the same moment.
    """
    release = a_release()

    first = await runs.take_up(release, **ASKED)
    second = await runs.take_up(release, **ASKED)

    assert first == second
    assert prefect.run(first)["parameters"] == {"release": release, **ASKED}
    assert {"phasegate", release} <= set(prefect.run(first)["tags"])


async def test_two_keepers_take_up_one_run(prefect: Prefect, runs: PrefectRuns):
    """
    They count the same dead runs, so they name the same key, and Prefect keeps one.
    """
    release, other = a_release(), the_runs(prefect.api_url)

    first, second = await asyncio.gather(runs.take_up(release, **ASKED), other.take_up(release, **ASKED))

    await other.aclose()
    assert first == second


async def test_each_new_death_is_taken_up_again(prefect: Prefect, runs: PrefectRuns):
    """
    An idempotency key lives for ever in Prefect; the second death needs another one.
    """
    release = a_release()
    first = await runs.take_up(release, **ASKED)
    prefect.force(first, "CRASHED")

    second = await runs.take_up(release, **ASKED)

    assert second != first
    assert await runs.take_up(release, **ASKED) == second


async def test_a_rollback_is_started_once(prefect: Prefect, runs: PrefectRuns):
    """
    Hook and keeper may both ask; a rollback that is done is not done again, a dead one is.
    """
    release = a_release()
    first = await runs.roll_back(release, reason="error rate 8 %")
    prefect.force(first, "CRASHED")

    second = await runs.roll_back(release, reason="error rate 8 %")
    prefect.force(second, "COMPLETED")

    assert second != first
    assert await runs.roll_back(release, reason="again") == second
    assert prefect.run(second)["parameters"] == {"release": release, "reason": "error rate 8 %"}


async def test_a_wrong_password_is_away_for_the_keeper_and_a_setting_for_a_person(prefect: Prefect):
    """
    A rotated password must not stop the watch; the one who starts a release must correct it.
    """
    runs = the_runs(prefect.api_url, auth="ada:wrong")

    with pytest.raises(RunsAway, match="PHASEGATE_PREFECT_AUTH") as away:
        await runs.status(str(uuid.uuid4()))
    with pytest.raises(SettingsError, match="PHASEGATE_PREFECT_AUTH"):
        await runs.start({}, idempotency_key="k")

    assert "wrong" not in str(away.value).replace("refuses", "")
    await runs.aclose()


async def test_a_missing_deployment_names_the_command_that_makes_it(prefect: Prefect):
    """
    The first thing forgotten is to deploy the flows.
    """
    runs = the_runs(prefect.api_url, release_deployment="release/nowhere")

    with pytest.raises(SettingsError, match=r"no deployment 'release/nowhere'; `prefect --no-prompt deploy"):
        await runs.start({}, idempotency_key="k")

    await runs.aclose()
