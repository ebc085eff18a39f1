"""What is wrong is said before anything is done: one line, a stated exit code, no run or a refused one."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from examples.demo.stage import GOOD
from phasegate.actions.opening import open_release
from phasegate.actions.rollback import close
from phasegate.domain.events import Candidate, Outcome
from phasegate.domain.plan import Environment
from phasegate.domain.versions import Share, Split
from phasegate.wiring import read_bundle, read_plan
from tests.e2e.house import House

pytestmark = pytest.mark.e2e

# By these the runs are told from those that other tests start meanwhile.
REFUSED = "Margaret"
WHO = ("--requested-by", REFUSED)


async def test_bad_input_ends_with_one_line_and_starts_nothing(house: House):
    """
    Whoever typed it can correct it at once, from what the line says.
    """
    bundle = str(house.stage.bundles[GOOD[0]])
    usual = {"--service": house.service, "--plan": "quick", "--reason": "a test", "--bundle": bundle}
    wrong = {
        "sooner": usual | {"--plan": "sooner"},
        "nowhere": usual | {"--bundle": "nowhere/bundle"},
        "--version": usual | {"--version": GOOD[1]},
        "--reason": usual | {"--reason": ""},
        "Bad_Name": usual | {"--service": "Bad_Name"},
    }
    runs = await count_of_runs(house)

    done = await asyncio.gather(*(house.phasegate("release", *flat(each), *WHO) for each in wrong.values()))

    for named, answer in zip(wrong, done, strict=True):
        assert answer.code == 2, (named, answer)
        assert answer.out == ""
        assert "Traceback" not in answer.err
        assert named in answer.err or named.strip("-") in answer.err
        assert len(answer.err.strip().splitlines()) == 1, answer.err
    assert await count_of_runs(house) == runs


async def test_the_api_refuses_a_wrong_parameter_before_a_run_exists(house: House):
    """
    The schema of the deployment guards whoever starts a release without our program.
    """
    deployment = await house.prefect("GET", "/deployments/name/release/release")
    body = {"parameters": {"service": "Bad Name!", "reason": "x", "requested_by": REFUSED}}
    runs = await count_of_runs(house)

    with pytest.raises(httpx.HTTPStatusError) as refused:
        await house.prefect("POST", f"/deployments/{deployment['id']}/create_flow_run", body)

    assert refused.value.response.status_code in {409, 422}
    assert "service" in refused.value.response.text
    assert await count_of_runs(house) == runs


async def test_a_service_with_an_active_release_is_refused_another(house: House):
    """
    Two releases of one service would answer for each other's errors; the keeper's backup stays out as well.
    With a key it is left to the run, which may be the active one's.
    """
    async with an_active_release(house) as active:
        asked = (*house.asked(await house.next_good(), "quick"), "--wait", "--key", uuid.uuid4().hex)
        done, watch = await asyncio.gather(house.phasegate(*asked), one_watch(house))
        by = {row.by for row in await house.rows(active)}

    assert done.code == 2, done
    assert active in done.err
    assert (await newest_run(house))["state_name"] == "Refused"
    assert watch["state_type"] == "COMPLETED"
    assert not [name for name in by if name.startswith("watch")]


async def test_a_service_that_is_split_already_is_refused(house: House):
    """
    A release starts from one version at 100 %; otherwise nobody could say what is known good.
    """
    async with split_by_hand(house):
        done = await house.phasegate(*house.asked(GOOD[1], "quick"), "--wait")

    assert done.code == 2, done
    assert "split already" in done.err
    assert (await newest_run(house))["state_name"] == "Refused"


@asynccontextmanager
async def an_active_release(house: House) -> AsyncIterator[str]:
    """A release that was opened by somebody else and is driven by no run; it is closed at the end."""
    name = f"{house.service}-{uuid.uuid4().hex[:8]}"
    async with house.hands() as hands:
        await open_release(
            hands,
            name,
            service=house.service,
            plan=read_plan(house.settings, "quick"),
            candidate=Candidate(bundle="elsewhere", digest="0" * 64, tag="elsewhere"),
            reason="it is first",
            requested_by="Ada",
        )
        try:
            yield name
        finally:
            await close(hands, name, outcome=Outcome.REFUSED, summary="the test is over")


@asynccontextmanager
async def split_by_hand(house: House) -> AsyncIterator[None]:
    """Traffic that somebody split past phasegate; it is given back at the end."""
    good = await house.serving()
    async with house.hands() as hands:
        bundle = read_bundle(house.settings, str(house.stage.bundles[await house.next_good()]))
        other = await hands.target.upload(
            house.service, bundle, environment=Environment.PRODUCTION, release="by hand"
        )
        shares = (Share(version=good.id, weight=80), Share(version=other.id, weight=20))
        await set_split(house, Split(shares=shares))
        try:
            yield
        finally:
            await set_split(house, Split.whole(good.id))


async def set_split(house: House, split: Split) -> None:
    """Write a split as an operator would, on top of what is live."""
    async with house.hands() as hands:
        live = await hands.target.live(house.service)
        assert live is not None
        await hands.target.set_split(house.service, split, message="by hand", was=live.id)


async def one_watch(house: House) -> dict[str, object]:
    """A run of the keeper's backup, to its end."""
    deployment = await house.prefect("GET", "/deployments/name/watch/watch")
    run = await house.prefect("POST", f"/deployments/{deployment['id']}/create_flow_run", {})
    return await house.run_over(run["id"])


async def newest_run(house: House) -> dict[str, Any]:
    """The run of the service's that was started last."""
    return next(run for run in await runs(house) if run["parameters"]["service"] == house.service)


async def count_of_runs(house: House) -> int:
    """How many runs there are that these tests have asked for by name."""
    return len([run for run in await runs(house) if run["parameters"]["requested_by"] == REFUSED])


async def runs(house: House) -> list[dict[str, Any]]:
    """The runs of the release flow, newest first."""
    wanted = {"flows": {"name": {"any_": ["release"]}}, "sort": "EXPECTED_START_TIME_DESC", "limit": 200}
    found: list[dict[str, Any]] = await house.prefect("POST", "/flow_runs/filter", wanted)
    return found


def flat(options: dict[str, str]) -> list[str]:
    """Options as the command line wants them."""
    return [word for pair in options.items() for word in pair]
