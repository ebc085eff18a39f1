"""Which version answers, over real connections to real processes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from splitter_case import Case, Wire, a_case, as_json, until

from phasegate.edge.splitter import SplitMode

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("edge")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(workdir: Path) -> AsyncIterator[Case]:
    async with a_case(workdir) as case:
        yield case


@pytest_asyncio.fixture(loop_scope="module")
async def edge(shared: Case) -> Case:
    shared.reset()
    return shared


async def count(wire: Wire, requests: int) -> Counter[str]:
    """Which version answered how often."""
    return Counter([(await wire.get()).body.decode() for _ in range(requests)])


@pytest.mark.parametrize(("canary", "expected"), [(0, 0), (10, 100), (50, 500), (100, 1000)])
async def test_a_split_is_exact(edge: Case, canary: float, expected: int):
    """
    A phase of 10 % must not be 8 % on one day and 13 % on another.
    """
    edge.route(canary)

    answered = await count(await edge.wire(), 1000)

    assert answered[edge.canary] == expected
    assert answered[edge.stable] == 1000 - expected


async def test_no_request_is_lost_while_weights_change(edge: Case):
    """
    A change of the split is an everyday act, not an outage.
    """
    statuses: Counter[int] = Counter()

    async def load(requests: int) -> None:
        wire = await edge.wire()
        for _ in range(requests):
            statuses[(await wire.get()).status] += 1

    async def change() -> None:
        for step in range(20):
            edge.route(step * 5)
            await until(lambda due=step * 140: len(edge.seen) >= due)

    changing = asyncio.create_task(change())
    await asyncio.gather(*(load(300) for _ in range(10)))
    await changing

    assert statuses == {200: 3000}
    assert {seen.outcome for seen in edge.seen} == {"ok"}
    assert len(edge.seen) == 3000


async def test_a_request_in_flight_finishes_where_it_began(edge: Case):
    """
    Draining tells when the old version may be stopped.
    """
    wire = await edge.wire()
    asking = asyncio.create_task(wire.get("/slow?0.3"))
    await until(lambda: edge.splitter.in_flight(edge.stable) == 1)

    edge.route(100)
    too_short = await edge.splitter.drain(edge.stable, timedelta(milliseconds=20))
    drained = await edge.splitter.drain(edge.stable, timedelta(seconds=5))

    assert not too_short
    assert drained
    assert edge.splitter.in_flight(edge.stable) == 0
    assert (await asking).body.decode() == edge.stable


async def test_an_override_reaches_a_version_at_zero_percent(edge: Case):
    """
    A canary is checked by name before anyone else gets it.
    """
    edge.route(0)
    named = {"Cloudflare_Workers_Version_Overrides": f'rates="{edge.canary}"'}

    answer = await edge.get(**named)

    assert answer.body.decode() == edge.canary
    assert answer.headers["x-tag"] == "v2"


async def test_an_override_outside_the_deployment_is_ignored(edge: Case):
    """
    As on Cloudflare: a caller must look at who answered.
    """
    named = {"Cloudflare_Workers_Version_Overrides": f'rates="{edge.canary}"'}

    answer = await edge.get(**named)

    assert answer.body.decode() == edge.stable


async def test_a_key_stays_on_the_canary_while_it_grows(edge: Case):
    """
    A user who has seen the new version does not fall back to the old one.
    """
    wire = await edge.wire()

    async def on_canary(percentage: float) -> set[int]:
        edge.route(percentage)
        key = "Cloudflare_Workers_Version_Key"
        asked = [(user, await wire.get(**{key: f"user-{user}"})) for user in range(200)]
        return {user for user, answer in asked if answer.body.decode() == edge.canary}

    few, half, everyone = [await on_canary(percentage) for percentage in (10, 50, 100)]

    assert 5 <= len(few) <= 40
    assert few < half < everyone
    assert len(everyone) == 200


async def test_a_sticky_edge_keeps_a_client_where_it_is(tmp_path: Path):
    """
    Without keys the address stands in, so one client never sees both versions.
    """
    async with a_case(tmp_path, mode=SplitMode.STICKY) as edge:
        edge.route(50)

        answered = await count(await edge.wire(), 50)

    assert len(answered) == 1


async def test_a_preview_host_names_its_version_and_is_not_recorded(edge: Case):
    """
    Previews leave no trace in telemetry, as on Cloudflare, so nobody may build a gate on them.
    """
    answer = await edge.get(host=f"{edge.canary[:8]}-rates.acme.workers.dev")

    assert answer.body.decode() == edge.canary
    assert edge.seen == []


async def test_an_unknown_worker_is_answered_with_those_there_are(edge: Case):
    """
    A typo in a host should explain itself.
    """
    answer = await edge.get(host="prices.localhost")
    bare = await edge.get(host="127.0.0.1")
    edge.splitter.default_worker = "rates"
    default = await edge.get(host=f"127.0.0.1:{edge.port}")

    assert (answer.status, as_json(answer)["workers"]) == (404, ["rates"])
    assert bare.status == 404
    assert default.body.decode() == edge.stable


async def test_a_lagging_split_changes_later(edge: Case):
    """
    A network hears of a change after a while; a gate must look at what is observed.
    """
    edge.splitter.lag("rates", 0.3)
    edge.route(100)

    before = await edge.get()
    await until(lambda: edge.splitter.split("rates")[0] == (edge.canary, 100))
    after = await edge.get()

    assert before.body.decode() == edge.stable
    assert after.body.decode() == edge.canary


async def test_shares_that_do_not_add_up_are_refused(edge: Case):
    """
    Traffic would vanish.
    """
    with pytest.raises(ValueError, match="add up to 100"):
        edge.splitter.route("rates", ((edge.stable, 60.0), (edge.canary, 30.0)))

    assert edge.splitter.split("rates") == ((edge.stable, 100.0),)
