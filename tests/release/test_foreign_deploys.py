"""Somebody else deploys in the middle of a canary: each policy ends as the plan says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phasegate.actions.advancing import call_off, waiting
from phasegate.actions.deploying import promote
from phasegate.actions.drift import accept, bring_back
from phasegate.actions.rollback import restore
from phasegate.adapters.cloudflare import CloudflareClient, CloudflareTarget
from phasegate.domain.errors import Drift, FixTheInput, Refused
from phasegate.domain.events import DriftSettled, Outcome, Settling
from phasegate.domain.plan import OnForeign
from phasegate.domain.versions import Split
from tests.release.hands import behind, deploy, foreign_version, kinds, looked, pages, planned
from tests.release.stage import SERVICE, Stage, stage
from tests.release.test_keeper_takes_back import RELEASE, began_partial, opened


async def test_a_foreign_deployment_holds_the_release_until_a_person_restores(tmp_path: Path):
    """
    One look notices it, one page tells it, nothing is overwritten; who decides is in the ledger.
    """
    async with stage(tmp_path, "0.1.12", "0.1.13-errors") as world:
        plan = planned(world, OnForeign.HOLD)
        await opened(world, "0.1.12", plan)
        foreign = await deploy(world, Split.whole(await foreign_version(world)))

        await looked(world)
        noticed = await world.state(RELEASE)
        await looked(world, times=2)
        await world.hands.journal.record(RELEASE, began_partial)
        with pytest.raises(Drift, match="phasegate drift accept"):
            await promote(world.hands, RELEASE, plan.phase("partial"))
        held = await world.hands.target.live(SERVICE)
        step = waiting(noticed, plan.phase("canary"), now=world.hands.clock.now())
        state = await bring_back(world.hands, RELEASE, by="ada", reason="not theirs to deploy")

        assert noticed.drift is not None
        assert held == foreign
        assert step is not None
        assert step.held or step.until == noticed.soaks["canary"].until
        assert sum("needs a person" in page for page in await pages(world)) == 1
        assert await world.weights() == {"0.1.11": 90, "0.1.12": 10}
        assert (state.drift, state.ended, state.aborting) == (None, None, False)
        assert (await kinds(world)).count("drift-settled") == 1


async def test_accepting_a_foreign_deployment_ends_the_release_and_leaves_it(tmp_path: Path):
    """
    A release does not claim to have promoted or taken back what somebody else decided.
    """
    async with stage(tmp_path, "0.1.12", "0.1.13-errors") as world:
        await opened(world, "0.1.12", planned(world, OnForeign.HOLD))
        foreign = await deploy(world, Split.whole(await foreign_version(world)))
        await looked(world)

        state = await accept(world.hands, RELEASE, by="ada", reason="their hotfix is right")

        assert state.ended is not None
        assert state.ended.outcome is Outcome.ABANDONED
        assert "ada" in state.ended.summary
        assert state.live == foreign
        assert await world.hands.target.live(SERVICE) == foreign
        with pytest.raises(Refused, match="has ended"):
            await bring_back(world.hands, RELEASE, by="ada", reason="changed my mind")


@pytest.mark.parametrize("choice", list(Settling))
async def test_a_decision_whose_maker_died_is_carried_out_by_the_keeper(tmp_path: Path, choice: Settling):
    """
    What was decided is in the ledger before it is done, so anybody can do it.
    """
    async with stage(tmp_path, "0.1.12", "0.1.13-errors") as world:
        await opened(world, "0.1.12", planned(world, OnForeign.HOLD))
        foreign = await deploy(world, Split.whole(await foreign_version(world)))
        await looked(world)
        decided = DriftSettled(choice=choice, found=foreign, by="ada", reason="agreed")
        await world.hands.journal.record(RELEASE, lambda s: decided)

        await looked(world)
        state = await world.state(RELEASE)

        assert (state.ended is not None) is (choice is Settling.ACCEPT)
        assert (await world.weights() == {"0.1.11": 90, "0.1.12": 10}) is (choice is Settling.RESTORE)


async def test_a_plan_that_restores_puts_it_back_at_once_but_does_not_fight(tmp_path: Path):
    """
    A pipeline that deploys again and again is not outrun: after three times a person is asked.
    """
    async with stage(tmp_path, "0.1.12", "0.1.13-errors") as world:
        await opened(world, "0.1.12", planned(world, OnForeign.RESTORE))
        theirs = Split.whole(await foreign_version(world))
        seen = []
        for _ in range(4):
            await deploy(world, theirs)
            await looked(world)
            seen.append(await world.weights())

        state = await world.state(RELEASE)

        assert seen[:3] == [{"0.1.11": 90, "0.1.12": 10}] * 3
        assert seen[3] == {"0.1.13-errors": 100}
        assert state.drift is not None
        assert sum("replaced" in page for page in await pages(world)) == 3
        assert sum("needs a person" in page for page in await pages(world)) == 1


async def test_a_plan_that_abandons_ends_unless_the_candidate_would_be_left_alone(tmp_path: Path):
    """
    Ending by itself is right only when nobody has to watch the candidate any more.
    """
    async with stage(tmp_path, "0.1.12", "0.1.13-errors") as world:
        await opened(world, "0.1.12", planned(world, OnForeign.ABANDON))
        before = await world.state(RELEASE)
        assert before.canary is not None
        await deploy(world, Split.between(before.known_good.id, before.canary.id, canary_weight=60))
        await looked(world)
        kept = await world.state(RELEASE)

        foreign = await deploy(world, Split.whole(await foreign_version(world)))
        await looked(world)
        state = await world.state(RELEASE)

        assert kept.ended is None
        assert state.ended is not None
        assert state.ended.outcome is Outcome.ABANDONED
        assert await world.hands.target.live(SERVICE) == foreign


async def test_a_reading_that_lags_is_no_foreign_deployment(tmp_path: Path):
    """
    A place that has not heard of the last change shows a deployment that the ledger knows.
    """
    async with stage(tmp_path, "0.1.12") as world:
        plan = planned(world, OnForeign.ABANDON)
        await opened(world, "0.1.12", plan)
        older = (await world.state(RELEASE)).opened.live
        late = behind(world, older, reads=3)

        await looked(late, times=2)
        await late.hands.journal.record(RELEASE, began_partial)
        state = await promote(late.hands, RELEASE, plan.phase("partial"))

        assert "drifted" not in await kinds(world)
        assert state.ended is None
        assert await world.weights() == {"0.1.11": 50, "0.1.12": 50}


async def test_a_rollback_does_not_wait_for_a_place_that_lags(tmp_path: Path):
    """
    Whoever takes back writes on what the ledger knows, however old the reading is.
    """
    async with stage(tmp_path, "0.1.12") as world:
        await opened(world, "0.1.12", planned(world, OnForeign.HOLD))
        older = (await world.state(RELEASE)).opened.live.model_copy(update={"split": Split.whole("other")})
        await call_off(world.hands, RELEASE, by="ada", reason="changed my mind")

        state = await restore(behind(world, older, reads=1).hands, RELEASE)

        assert state.restored_at is not None
        assert await world.weights() == {"0.1.11": 100}


async def test_the_same_split_deployed_once_more_is_taken_over(tmp_path: Path):
    """
    The traffic is what the release expects; only the deployment's id is another, and it is known now.
    """
    async with stage(tmp_path, "0.1.12") as world:
        await opened(world, "0.1.12", planned(world, OnForeign.HOLD))
        before = await world.state(RELEASE)
        await deploy(world, Split.whole(before.known_good.id))
        again = await deploy(world, before.live.split)

        await looked(world)
        state = await world.state(RELEASE)

        assert state.live.id == again.id
        assert again.id in state.known
        assert "drifted" not in await kinds(world)


async def test_a_write_of_its_own_that_lands_late_is_put_back(tmp_path: Path):
    """
    A write that was given up is nobody's decision, so nobody has to be asked.
    """
    async with stage(tmp_path, "0.1.12") as world:
        await opened(world, "0.1.12", planned(world, OnForeign.HOLD))
        state = await world.state(RELEASE)
        assert state.canary is not None
        late = Split.between(state.known_good.id, state.canary.id, canary_weight=50)
        await deploy(world, late, message=f"phasegate {RELEASE}: partial")

        await looked(world)

        assert await world.weights() == {"0.1.11": 90, "0.1.12": 10}
        assert "drifted" not in await kinds(world)


async def test_a_decision_needs_a_name_and_something_to_decide(tmp_path: Path):
    """
    The ledger says who answered for it, and nobody decides about what is as it should be.
    """
    async with stage(tmp_path, "0.1.12") as world:
        await opened(world, "0.1.12", planned(world, OnForeign.HOLD))

        with pytest.raises(FixTheInput, match="--by"):
            await accept(world.hands, RELEASE, by="", reason="because")
        with pytest.raises(Refused, match="nothing to decide"):
            await accept(world.hands, RELEASE, by="ada", reason="because")


async def test_a_foreign_deployment_during_a_rollback_is_replaced_only_by_decision(tmp_path: Path):
    """
    Whoever deployed without the candidate may know better; a person says so, or brings the known-good back.
    """
    async with stage(tmp_path, "0.1.12", "0.1.13-errors") as world:
        await opened(world, "0.1.12", planned(world, OnForeign.RESTORE))
        foreign = await deploy(world, Split.whole(await foreign_version(world)))
        await call_off(world.hands, RELEASE, by="ada", reason="changed my mind")
        await looked(world, times=2)
        held = await world.hands.target.live(SERVICE)

        state = await bring_back(world.hands, RELEASE, by="ada", reason="theirs is broken too")

        assert held == foreign
        assert await world.weights() == {"0.1.11": 100}
        assert state.restored_at is not None


async def test_a_deployment_overwritten_in_the_moment_of_writing_is_paged(tmp_path: Path):
    """
    Cloudflare has no conditional write; what cannot be prevented is at least not silent.
    """
    async with stage(tmp_path, "0.1.12", "0.1.13-errors") as world:
        plan = planned(world, OnForeign.HOLD)
        await opened(world, "0.1.12", plan)
        theirs = Split.whole(await foreign_version(world))
        client = Raced(world)
        hands = replace(world.hands, target=CloudflareTarget(client, front_door=world.settings.front_door))

        client.theirs = theirs
        await hands.journal.record(RELEASE, began_partial)
        await promote(hands, RELEASE, plan.phase("partial"))
        await client.close()

        assert await world.weights() == {"0.1.11": 50, "0.1.12": 50}
        assert sum("overwritten" in page for page in await pages(world)) == 1


class Raced(CloudflareClient):
    """Somebody else deploys between our reading and our writing."""

    def __init__(self, world: Stage) -> None:
        settings = world.settings
        super().__init__(settings.api_url, settings.account_id, settings.token, timeout=5.0)
        self.world = world
        self.theirs: Split | None = None

    async def write(self, method: str, path: str, **content: Any) -> Any:
        if self.theirs is not None:
            theirs, self.theirs = self.theirs, None
            await deploy(self.world, theirs)
        return await super().write(method, path, **content)
