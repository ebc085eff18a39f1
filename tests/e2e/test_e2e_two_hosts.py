"""Two work hosts as docs/production.md sets them up, one of which is lost in the middle of two soaks."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from examples.demo.processes import descendants
from examples.demo.stage import POOL
from phasegate.adapters.checks_http import OVERRIDES
from phasegate.domain.events import Driven, Intended, Outcome
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Environment
from phasegate.wiring import read_bundle
from tests.e2e.house import House, Started
from tests.e2e.small_workers import users, write
from tests.e2e.test_e2e_promoted import engine_of, raised

pytestmark = pytest.mark.e2e

# Worker and keeper of each host; the second one joins for this test.
HOSTS = (("worker", "keeper"), ("worker-2", "keeper-2"))
PLAN = "two-hosts"
# What is half a minute in production; it is only waited for here.
SILENT = "9s"


async def test_a_host_lost_in_mid_soak_leaves_no_release_alone(house: House, tmp_path: Path):
    """
    A soak has no process, or one that dies with its host: the other host wakes or takes up its run,
    brings the good version to 100 % and takes back the one that turns sick after the loss.
    """
    if not house.on_postgres:
        pytest.skip("NOT TESTED: two hosts share a PostgreSQL; `apt-get install postgresql` provides it")
    async with both_hosts(house), services(house, tmp_path, "host-well", "host-sick"):
        await house.edge("DELETE", "calls")
        well = await start(house, "host-well", tmp_path / "v2", wait_in_place="60s")
        sick = await start(house, "host-sick", tmp_path / "v2", wait_in_place="5s")
        await house.until(well.name, soaking)
        canary = (await house.until(sick.name, soaking)).canary
        await house.state_reached(sick.run, "Suspended")

        other = lose_host_of(house, await engine_of(well))
        assert canary is not None
        await turn_sick(house, "host-sick", canary.id)
        taken_back = await house.ended(sick.name)
        promoted = await house.ended(well.name)

    assert taken_back.ended is not None
    assert taken_back.ended.outcome is Outcome.ROLLED_BACK
    assert await raised(house, taken_back) == [10, 0]
    assert await restored_by(house, taken_back) == other
    assert promoted.ended is not None
    assert promoted.ended.outcome is Outcome.PROMOTED
    assert await raised(house, promoted) == [10, 50, 100]
    assert await house.writes("host-well") == {"uploads": 1, "splits": 3}
    assert await house.writes("host-sick") == {"uploads": 1, "splits": 2}
    assert len(await drivers(house, promoted)) == 2
    assert await drivers(house, taken_back) == [sick.run]
    assert (await house.run_over(well.run))["state_name"] == "Crashed"
    assert (await house.phasegate("ledger", "verify", well.name)).code == 0


@asynccontextmanager
async def both_hosts(house: House) -> AsyncIterator[None]:
    """A second host for the length of the block; afterwards the first one is there again."""
    first, second = HOSTS
    begin(house, second)
    try:
        yield
    finally:
        for name in second:
            house.processes.end(name)
        if not house.processes.runs(first[0]):
            begin(house, first)


def begin(house: House, host: tuple[str, str]) -> None:
    """Start a host's worker and keeper."""
    worker, keeper = host
    house.processes.start(worker, "-m", "prefect", "worker", "start", "--pool", POOL, "--name", worker)
    house.processes.start(keeper, "-m", "phasegate.cli", "keeper", "--name", keeper)


def lose_host_of(house: House, process: int) -> int:
    """Kill everything on the host where *process* runs; the keeper of the other one."""
    lost = next(host for host in HOSTS if process in descendants([house.processes.pid(host[0])]))
    house.processes.lose(*lost)
    return house.processes.pid(next(host for host in HOSTS if host is not lost)[1])


@asynccontextmanager
async def services(house: House, home: Path, *names: str) -> AsyncIterator[None]:
    """Small Workers of their own, whose users do not go away."""
    first, port = write(home / "v1", "v1"), int(str(house.stage.edge["front_port"]))
    write(home / "v2", "v2")
    async with house.hands() as hands:
        for name in names:
            bundle = read_bundle(house.settings, str(first))
            await hands.target.create(name, bundle, environment=Environment.PRODUCTION, release="first")
        asking = [asyncio.create_task(users(name, port)) for name in names]
        try:
            yield
        finally:
            for task in asking:
                task.cancel()


async def start(house: House, service: str, bundle: Path, *, wait_in_place: str) -> Started:
    """Start a release whose first run waits so long in its process."""
    deployment = (await house.prefect("GET", "/deployments/name/release/release"))["id"]
    asked = {
        "service": service,
        "plan": PLAN,
        "bundle": str(bundle),
        "reason": "a test",
        "requested_by": "Linus",
    }
    body = {
        "parameters": asked,
        "idempotency_key": uuid.uuid4().hex,
        "job_variables": {"env": {"PHASEGATE_WAIT_IN_PLACE": wait_in_place, "PHASEGATE_RUN_SILENT": SILENT}},
    }
    run = str((await house.prefect("POST", f"/deployments/{deployment}/create_flow_run", body))["id"])
    return Started(name=f"{service}-{run[:8]}", run=run)


def soaking(state: ReleaseState) -> bool:
    """Whether the canary takes traffic and is watched."""
    return state.phase in state.soaks and state.exposed


async def turn_sick(house: House, service: str, version: str) -> None:
    """Make *version* answer nothing but errors from now on."""
    headers = {"Host": f"{service}.localhost", OVERRIDES: f'{service}="{version}"'}
    door = f"http://127.0.0.1:{house.stage.edge['front_port']}"
    async with httpx.AsyncClient(base_url=door) as client:
        assert (await client.get("/break", headers=headers)).status_code == 500


async def restored_by(house: House, state: ReleaseState) -> int:
    """The process that meant to bring the known-good version back."""
    rows = await house.rows(state.release)
    meant = [row for row in rows if isinstance(row.event, Intended) and row.event.worker == state.service]
    return int(meant[-1].by.rsplit(":", 1)[1])


async def drivers(house: House, state: ReleaseState) -> list[str]:
    """The runs that drove the release."""
    return [row.event.run for row in await house.rows(state.release) if isinstance(row.event, Driven)]
