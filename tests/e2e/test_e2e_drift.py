"""Somebody else deploys while a run is suspended in its soak: a person decides, and the run follows."""

import pytest

from phasegate.domain.events import Outcome
from phasegate.domain.plan import Environment
from phasegate.domain.versions import Split
from phasegate.wiring import read_bundle
from tests.e2e.house import House
from tests.e2e.test_e2e_refused import set_split
from tests.e2e.test_e2e_taken_back import under_traffic

pytestmark = pytest.mark.e2e


async def test_a_foreign_deployment_is_decided_from_a_terminal(house: House):
    """
    Restored, the release goes on; accepted, it ends as abandoned, and its run does not wait for ever.
    """
    good = await house.serving()
    theirs = await uploaded(house, "0.1.13-errors")
    release = await house.start(await house.next_good(), "held-canary")
    await house.until(release.name, under_traffic)
    who = (release.name, "--by", "Ada", "--reason", "agreed with the team")
    try:
        await set_split(house, Split.whole(theirs))
        await house.until(release.name, lambda state: state.drift is not None)
        restored = await house.phasegate("drift", "restore", *who)
        going_on = await house.until(release.name, lambda state: state.drift is None)
        nothing = await house.phasegate("drift", "accept", *who)
        await set_split(house, Split.whole(theirs))
        await house.until(release.name, lambda state: state.drift is not None)
        accepted = await house.phasegate("drift", "accept", *who)
        state = await house.ended(release.name)
        run = await house.run_over(state.run)
        left = (await house.serving()).id
    finally:
        await set_split(house, Split.whole(good.id))

    assert restored.code == 0, restored.err
    assert under_traffic(going_on)
    assert nothing.code == 2
    assert "nothing to decide" in nothing.err
    assert accepted.code == 0, accepted.err
    assert state.ended is not None
    assert state.ended.outcome is Outcome.ABANDONED
    assert (run["state_type"], run["state_name"]) == ("FAILED", "Abandoned")
    assert left == theirs


async def test_the_way_back_is_said_before_a_release(house: House):
    """
    Anybody may ask at any time; nothing is written.
    """
    done = await house.phasegate("preflight", house.service)
    unknown = await house.phasegate("preflight", "no-such-worker")

    assert done.code == 0, done.err
    assert "can be brought back" in done.out
    assert unknown.code == 2


async def uploaded(house: House, version: str) -> str:
    """A version that somebody else uploads; its id."""
    async with house.hands() as hands:
        bundle = read_bundle(house.settings, str(house.stage.bundles[version]))
        theirs = await hands.target.upload(
            house.service, bundle, environment=Environment.PRODUCTION, release="by hand"
        )
        return theirs.id
