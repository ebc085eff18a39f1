"""Two work hosts as docs/production.md sets them up, one of which is lost in the middle of two soaks."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from examples.demo.processes import Processes
from phasegate.adapters.checks_http import OVERRIDES
from phasegate.domain.events import Driven, Intended, Outcome
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Environment
from phasegate.wiring import read_bundle
from tests.e2e.house import HOSTS_LEDGER, House, Started
from tests.e2e.small_workers import users, write
from tests.e2e.test_e2e_promoted import engine_of, raised

pytestmark = pytest.mark.e2e

# The plan, and the pool and the deployments that are the hosts' own.
NAME = "two-hosts"
# What is half a minute in production; it is only waited for here.
SILENT = "9s"


async def test_a_host_lost_in_mid_soak_leaves_no_release_alone(house: House, tmp_path: Path):
    """
    A soak has no process, or one that dies with its host: the other host wakes or takes up its run,
    brings the good version to 100 % and takes back the one that turns sick after the loss.
    """
    if HOSTS_LEDGER not in house.env:
        pytest.skip("NOT TESTED: two hosts share a PostgreSQL; `apt-get install postgresql` provides it")
    house = sharing(house)
    await deploy(house)
    with hosts(house, tmp_path) as both:
        async with services(house, tmp_path, "host-well", "host-sick"):
            well = await start(house, "host-well", tmp_path / "v2", wait_in_place="60s")
            sick = await start(house, "host-sick", tmp_path / "v2", wait_in_place="5s")
            await house.until(well.name, soaking)
            canary = (await house.until(sick.name, soaking)).canary
            await house.state_reached(sick.run, "Suspended")

            running = await engine_of(well)
            lost, other = sorted(both, key=lambda host: not host.holds(running))
            lost.lose()
            assert canary is not None
            await turn_sick(house, "host-sick", canary.id)
            taken_back = await house.ended(sick.name)
            promoted = await house.ended(well.name)

        assert taken_back.ended is not None
        assert taken_back.ended.outcome is Outcome.ROLLED_BACK
        assert await raised(house, taken_back) == [10, 0]
        assert other.holds(await restored_by(house, taken_back))
        assert await drivers(house, taken_back) == [sick.run]
        assert promoted.ended is not None
        assert promoted.ended.outcome is Outcome.PROMOTED
        assert await raised(house, promoted) == [10, 50, 100]
        assert await splits(house, "host-well") == 4
        assert await versions(house, "host-well") == ["v1", "v2"]
        assert len(await drivers(house, promoted)) == 2
        assert (await house.run_over(well.run))["state_name"] == "Crashed"
    assert (await house.phasegate("ledger", "verify", well.name)).code == 0


def sharing(house: House) -> House:
    """The house as the hosts see it: a ledger on PostgreSQL, deployments of their own."""
    own = {
        "ledger": house.env[HOSTS_LEDGER],
        "release_deployment": f"release/{NAME}",
        "rollback_deployment": f"rollback/{NAME}",
    }
    env = house.env | {f"PHASEGATE_{name.upper()}": value for name, value in own.items()}
    return replace(house, settings=house.settings.model_copy(update=own), env=env)


@contextmanager
def hosts(house: House, home: Path) -> Iterator[list[Processes]]:
    """A worker and a keeper on each; what is left of them ends with the block."""
    with ExitStack() as ending:
        both = []
        for number in (1, 2):
            (home / f"host-{number}").mkdir()
            host = Processes(home / f"host-{number}", house.env)
            ending.callback(host.end_all)
            name = f"work-{number}"
            host.start("worker", "-m", "prefect", "worker", "start", "--pool", NAME, "--name", name)
            host.start("keeper", "-m", "phasegate.cli", "keeper", "--name", name)
            both.append(host)
        yield both


async def deploy(house: House) -> None:
    """The flows once more, on a pool that only the hosts' workers take runs from."""
    await house.prefect("POST", "/work_pools/", {"name": NAME, "type": "process"})
    for flow in ("release", "rollback"):
        known = await house.prefect("GET", f"/deployments/name/{flow}/{flow}")
        kept = ("flow_id", "entrypoint", "path", "pull_steps", "parameter_openapi_schema")
        body = {"name": NAME, "work_pool_name": NAME, **{field: known[field] for field in kept}}
        await house.prefect("POST", "/deployments/", body)


@asynccontextmanager
async def services(house: House, home: Path, *names: str) -> AsyncIterator[None]:
    """Small Workers, whose users do not go away."""
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
    deployment = (await house.prefect("GET", f"/deployments/name/release/{NAME}"))["id"]
    who = {"reason": "a test", "requested_by": "Linus"}
    body = {
        "parameters": {"service": service, "plan": NAME, "bundle": str(bundle), **who},
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


async def splits(house: House, service: str) -> int:
    """How often the platform was given a split of the service, its first one included."""
    edge, account = house.stage.edge, house.stage.edge["account_id"]
    url = f"{edge['api_url']}/accounts/{account}/workers/scripts/{service}/deployments"
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {edge['token']}"}) as client:
        answer = (await client.get(url)).raise_for_status()
    return len(answer.json()["result"]["deployments"])


async def versions(house: House, service: str) -> list[str]:
    """The tags of everything that was uploaded."""
    async with house.hands() as hands:
        return sorted(version.tag for version in await hands.target.versions(service))
