"""A person may change traffic where no release does, and it is written down who and why."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from phasegate.actions.advancing import call_off
from phasegate.actions.by_hand import Wanted, split_by_hand, version_before
from phasegate.actions.deploying import promote
from phasegate.actions.rollback import restore
from phasegate.cli_split import split
from phasegate.domain.criteria import Level
from phasegate.domain.errors import FixTheInput, Refused
from phasegate.domain.events import Ended, Outcome, PhaseBegan
from phasegate.domain.plan import Environment
from phasegate.wiring import read_bundle
from tests.release.stage import SERVICE, Stage, stage
from tests.release.test_keeper_takes_back import RELEASE, opened

pytestmark = pytest.mark.patient

WHY = {"by": "ada", "reason": "a look at the new list"}


async def uploaded(world: Stage, version: str = "0.1.12") -> str:
    """The id of a version that takes no traffic yet."""
    bundle = read_bundle(world.settings, str(world.bundles[version]))
    made = await world.hands.target.upload(
        SERVICE, bundle, environment=Environment.PRODUCTION, release="by hand"
    )
    return made.id


async def test_a_split_by_hand_is_set_and_written_down(tmp_path: Path):
    """
    The platform's own record and the deployment log both say who wanted it.
    """
    async with stage(tmp_path, "0.1.12") as world:
        second = await uploaded(world)

        changed = await split_by_hand(
            world.hands, SERVICE, (Wanted(second[:8], 10), Wanted("0.1.11", 90)), **WHY
        )
        live = await world.hands.target.live(SERVICE)

        assert await world.weights() == {"0.1.12": 10, "0.1.11": 90}
        assert live is not None
        assert live.message == "phasegate, by hand: ada: a look at the new list"
        assert changed.words(changed.before.split) == "0.1.11 100 %"
        assert "ada changed the split" in (tmp_path / "deployment.log").read_text()


async def test_a_release_cannot_be_gone_round(tmp_path: Path):
    """
    Its ledger would not know, and what it does not know is drift.
    """
    async with stage(tmp_path, "0.1.12") as world:
        await opened(world, "0.1.12", world.plan())

        with pytest.raises(Refused, match=f"{RELEASE} is active.*`phasegate abort {RELEASE}`"):
            await split_by_hand(world.hands, SERVICE, (Wanted("0.1.12", 100),), **WHY)

        assert await world.weights() == {"0.1.12": 10, "0.1.11": 90}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ((Wanted("0.1.99", 100),), "no version called '0.1.99' can be deployed; the newest are .* 0.1.11"),
        ((Wanted("0.1.11", 90),), "the weights of a split sum to 100, these sum to 90"),
    ],
)
async def test_a_split_that_cannot_be_is_refused_in_words(tmp_path: Path, wanted, words):
    """
    Before anything is written.
    """
    async with stage(tmp_path) as world:
        with pytest.raises(FixTheInput, match=words):
            await split_by_hand(world.hands, SERVICE, wanted, **WHY)


async def test_the_version_before_is_the_one_that_the_newest_release_replaced(tmp_path: Path):
    """
    A rollback never infers it from the platform, which would name the version that is live already.
    """
    async with stage(tmp_path, "0.1.12") as world:
        with pytest.raises(Refused, match="name it with --version"):
            await version_before(world.hands, SERVICE)
        first = (await world.hands.target.live(SERVICE)).split.shares[0].version
        plan = world.plan()
        await opened(world, "0.1.12", plan)
        await world.hands.journal.record(RELEASE, lambda _: PhaseBegan(phase=plan.phases[-1].name))
        await promote(world.hands, RELEASE, plan.phases[-1])
        await world.hands.journal.record(RELEASE, lambda _: Ended(outcome=Outcome.PROMOTED, summary="done"))

        assert await world.weights() == {"0.1.12": 100}
        assert await version_before(world.hands, SERVICE) == first


@pytest.mark.parametrize("share", ["v2", "v2@", "v2@150", "@10", "v2@ten"])
def test_a_share_that_cannot_be_read_is_named(share):
    """
    Exit code 2 and what is allowed.
    """
    done = CliRunner().invoke(split, ["rates", share, "--by", "ada", "--reason", "a test"])

    assert done.exit_code == 2
    assert "allowed is VERSION@PERCENT" in done.output


async def test_a_release_taken_back_is_told_where_the_plan_says_too(tmp_path: Path):
    """
    Not only the on-call engineer: who follows deployments, and the status page.
    """
    async with stage(tmp_path, "0.1.12") as world:
        plan = world.plan()
        await opened(world, "0.1.12", plan)
        await call_off(world.hands, RELEASE, by="ada", reason="users report wrong totals")
        await restore(world.hands, RELEASE)
        state = await world.state(RELEASE)

        assert plan.communication is not None
        (told,) = [notice for notice in state.notices.values() if notice.subject == f"{RELEASE} rolled back"]
        assert told.channels == (*plan.channels[Level.CRITICAL], *plan.communication.rollback)
        assert len(told.channels) == 3
