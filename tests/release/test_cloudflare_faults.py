"""What the platform does wrong in the middle of a release, and how each case ends."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from phasegate.actions.advancing import begin_soak, call_off, judge_phase
from phasegate.actions.deploying import promote, upload
from phasegate.actions.judging import Judging
from phasegate.domain.decision import Action
from phasegate.domain.errors import BundleError
from phasegate.domain.plan import Environment
from phasegate.edge.faults import Fault
from phasegate.wiring import read_bundle
from tests.release.hands import kinds, looked
from tests.release.stage import SECOND, Stage, stage
from tests.release.test_keeper_takes_back import RELEASE, began_partial, open_only, opened

SPLIT = {"method": "POST", "path": "/deployments$"}


def writes(world: Stage) -> int:
    """How many splits really took effect."""
    return sum(
        call["method"] == "POST" and call["path"].endswith("/deployments") and call["acted"] == 200
        for call in world.edge.calls.describe()
    )


def fail(world: Stage, **fault: Any) -> None:
    world.edge.faults.add(Fault.read({"match": SPLIT, **fault}))


@pytest.mark.parametrize("kind", ["timeout_after", "timeout_before"])
async def test_a_lost_answer_to_a_traffic_write_is_resolved_by_reading(tmp_path: Path, kind: str):
    """
    Whether it acted or not, the split is set once, and the ledger says what was read back.
    """
    async with stage(tmp_path, "0.1.12") as world:
        plan = world.plan()
        await opened(world, "0.1.12", plan)
        before = writes(world)
        fail(world, kind=kind, seconds=0, times=1)

        await world.hands.journal.record(RELEASE, began_partial)
        state = await promote(world.hands, RELEASE, plan.phase("partial"))

        assert writes(world) == before + 1
        assert state.pending is None
        assert state.canary is not None
        assert state.live.split.weight(state.canary.id) == 50
        assert await world.weights() == {"0.1.11": 50, "0.1.12": 50}


async def test_a_lost_answer_to_a_take_back_is_resolved_by_the_next_look(tmp_path: Path):
    """
    The platform is away while the version is taken back: the keeper tries at every tick until it is done.
    """
    async with stage(tmp_path, "0.1.12") as world:
        await opened(world, "0.1.12", world.plan())
        await call_off(world.hands, RELEASE, by="ada", reason="changed my mind")
        fail(world, kind="timeout_after", seconds=0, times=1)

        await looked(world, times=2)
        state = await world.state(RELEASE)

        assert state.restored_at is not None
        assert await world.weights() == {"0.1.11": 100}


async def test_a_version_that_dies_at_start_up_never_takes_traffic(tmp_path: Path):
    """
    The platform refuses the upload with the version's own words, and production is as it was.
    """
    async with stage(tmp_path, "0.1.13-startup") as world:
        await open_only(world, "0.1.13-startup", world.plan())
        bundle = read_bundle(world.settings, str(world.bundles["0.1.13-startup"]))

        with pytest.raises(BundleError, match="10021"):
            await upload(world.hands, RELEASE, environment=Environment.PRODUCTION, bundle=bundle)

        assert await world.weights() == {"0.1.11": 100}
        assert "uploaded" not in await kinds(world)


async def test_a_phase_is_not_passed_while_the_traffic_lags_behind_its_split(tmp_path: Path):
    """
    A healthy verdict about a split that nobody was served by is about something else.
    """
    async with stage(tmp_path, "0.1.12") as world:
        plan = world.plan()
        await opened(world, "0.1.12", plan)
        fail(world, kind="lag", seconds=60)
        await world.hands.journal.record(RELEASE, began_partial)
        phase = plan.phase("partial")
        await promote(world.hands, RELEASE, phase)
        now = world.hands.clock.now()
        await begin_soak(world.hands, RELEASE, phase, since=now, until=now + 4 * SECOND)
        traffic = asyncio.create_task(world.traffic(seconds=4, rate=60))
        await traffic
        await world.hands.clock.sleep(2 * SECOND)

        decision = await judge_phase(world.hands, RELEASE, phase, Judging())
        state = await world.state(RELEASE)

        assert await world.weights() == {"0.1.11": 50, "0.1.12": 50}
        assert decision is not None
        assert decision.action is not Action.PROMOTE
        assert "partial" not in state.followed
