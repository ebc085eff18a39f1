"""Whatever else writes to production: it is seen, told once, and the candidate does not come back."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from phasegate.actions import traffic
from phasegate.actions.advancing import call_off, judge_phase
from phasegate.actions.deploying import promote
from phasegate.actions.judging import Judging
from phasegate.actions.rollback import restore
from phasegate.domain.errors import Drift, Superseded
from phasegate.domain.events import PhaseBegan
from phasegate.domain.plan import Environment
from phasegate.domain.versions import Split
from phasegate.edge.faults import Fault
from phasegate.keeper.watch import Watch
from phasegate.wiring import read_bundle
from tests.release.stage import SERVICE, Stage, stage
from tests.release.test_keeper_takes_back import RELEASE, opened, watched


async def test_a_write_that_arrives_after_the_take_back_is_taken_back_too(tmp_path: Path):
    """
    A promotion that hung in the network lands late: the ledger says restored, the platform does not.
    """
    async with stage(tmp_path, "0.1.12") as world:
        await opened(world, "0.1.12", world.plan())
        await call_off(world.hands, RELEASE, by="ada", reason="changed my mind")
        state = await restore(world.hands, RELEASE)
        assert state.canary is not None
        late = Split.between(state.known_good.id, state.canary.id, canary_weight=50)
        await world.hands.target.set_split(SERVICE, late, message="late", was=state.live.id)

        taken_back = await watched(world.settings, until=lambda: _back(world), limit=10)

        assert taken_back


async def test_a_foreign_split_in_a_soak_is_told_once(tmp_path: Path):
    """
    Nobody has to wait for the next change of weight to learn that somebody else deployed.
    """
    async with stage(tmp_path, "0.1.12", "0.1.13-errors") as world:
        await opened(world, "0.1.12", world.plan())
        await _foreign(world)

        async def noted() -> bool:
            return (await world.state(RELEASE)).drift is not None

        seen = await watched(world.settings, until=noted, limit=20)
        watch = Watch(world.hands)
        for _ in range(4):
            await watch.look_at(RELEASE)
        state = await world.state(RELEASE)
        drifts = [
            row for row in await world.hands.journal.ledger.events(RELEASE) if row.event.kind == "drifted"
        ]

        assert seen
        assert len(drifts) == 1
        assert sum("needs a person" in notice.subject for notice in state.notices.values()) == 1


async def test_a_phase_is_not_passed_on_a_split_that_is_not_its_own(tmp_path: Path):
    """
    What was judged must be what the ledger says is live.
    """
    async with stage(tmp_path, "0.1.12", "0.1.13-errors") as world:
        plan = world.plan()
        await opened(world, "0.1.12", plan)
        await _foreign(world)

        with pytest.raises(Drift, match="somebody else deployed"):
            await judge_phase(world.hands, RELEASE, plan.phase("canary"), Judging())


async def test_a_release_held_by_a_foreign_split_pages_once_and_ends_when_a_person_has_decided(
    tmp_path: Path,
):
    """
    Nothing is overwritten that somebody else deployed; once the known-good version is back, the hold is over.
    """
    async with stage(tmp_path, "0.1.12", "0.1.13-errors") as world:
        await opened(world, "0.1.12", world.plan())
        await _foreign(world)
        await call_off(world.hands, RELEASE, by="ada", reason="changed my mind")
        watch = Watch(world.hands)
        for _ in range(4):
            await watch.look_at(RELEASE)
        held = await world.state(RELEASE)
        live = await world.hands.target.live(SERVICE)
        assert live is not None
        whole = Split.whole(held.known_good.id)
        await world.hands.target.set_split(SERVICE, whole, message="by hand", was=live.id)
        await watch.look_at(RELEASE)
        state = await world.state(RELEASE)

        assert held.restored_at is None
        assert sum("needs a person" in notice.subject for notice in held.notices.values()) == 1
        assert state.restored_at is not None
        assert state.drift is None


async def test_the_right_to_act_is_kept_while_a_write_is_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    Two drivers never write at the same time, also when the platform takes longer than a lease lasts.
    """
    monkeypatch.setattr(traffic, "LEASE", timedelta(seconds=1))
    async with stage(tmp_path, "0.1.12") as world:
        plan = world.plan()
        await opened(world, "0.1.12", plan)
        slow = {"method": "POST", "path": "/deployments$"}
        world.edge.faults.add(Fault.read({"kind": "slow", "seconds": 3, "match": slow}))
        await world.hands.journal.record(RELEASE, lambda s: _began(s.phase, "partial"))
        writing = asyncio.create_task(promote(world.hands, RELEASE, plan.phase("partial")))
        await asyncio.sleep(2)

        with pytest.raises(Superseded):
            await world.hands.journal.ledger.take(
                RELEASE, holder="other", ttl=timedelta(seconds=1), now=world.hands.clock.now()
            )
        state = await writing

        assert state.canary is not None
        assert state.live.split.weight(state.canary.id) == 50


def _began(known: str, name: str) -> PhaseBegan | None:
    return None if known == name else PhaseBegan(phase=name)


async def _foreign(world: Stage) -> None:
    """Somebody else gives everything to a version of their own."""
    bundle = read_bundle(world.settings, str(world.bundles["0.1.13-errors"]))
    target = world.hands.target
    version = await target.upload(SERVICE, bundle, environment=Environment.PRODUCTION, release="foreign")
    live = await target.live(SERVICE)
    assert live is not None
    await target.set_split(SERVICE, Split.whole(version.id), message="a hotfix", was=live.id)


async def _back(world: Stage) -> bool:
    return (await world.weights()) == {"0.1.11": 100}
