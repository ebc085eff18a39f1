"""A reading that shows the traffic from before the release is no proof that a take-back took effect."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phasegate.actions.advancing import call_off
from phasegate.actions.rollback import restore
from phasegate.domain.errors import TargetAway
from phasegate.domain.events import Intended
from phasegate.domain.plan import OnForeign
from phasegate.domain.versions import LiveSplit, Split
from tests.release.hands import behind, planned
from tests.release.stage import SERVICE, stage
from tests.release.test_keeper_takes_back import RELEASE, opened


async def test_a_take_back_that_was_only_meant_is_not_noted_from_a_place_that_lags(tmp_path: Path):
    """
    What such a place shows is the traffic from before the release, and not what the dead driver meant.
    """
    async with stage(tmp_path, "0.1.12") as world:
        await opened(world, "0.1.12", planned(world, OnForeign.HOLD))
        state = await world.state(RELEASE)
        await call_off(world.hands, RELEASE, by="ada", reason="changed my mind")
        back = Split.whole(state.known_good.id)
        meant = Intended(id="i", worker=SERVICE, split=back, was=state.live.id, because="back", fence=0)
        await world.hands.journal.record(RELEASE, lambda _: meant)

        state = await restore(behind(world, state.opened.live, reads=1).hands, RELEASE)

        assert state.restored_at is not None
        assert await world.weights() == {"0.1.11": 100}


async def test_a_take_back_that_failed_is_not_noted_from_a_place_that_lags(tmp_path: Path):
    """
    Nothing was written, so the candidate is exposed and the next tick tries again.
    """
    async with stage(tmp_path, "0.1.12") as world:
        await opened(world, "0.1.12", planned(world, OnForeign.HOLD))
        older = (await world.state(RELEASE)).opened.live
        await call_off(world.hands, RELEASE, by="ada", reason="changed my mind")
        lagging = behind(replace(world, hands=replace(world.hands, target=Unwritable())), older, reads=2)

        with pytest.raises(TargetAway):
            await restore(lagging.hands, RELEASE)
        state = await world.state(RELEASE)

        assert (state.restored_at, state.exposed) == (None, True)
        assert (await restore(world.hands, RELEASE)).restored_at is not None
        assert await world.weights() == {"0.1.11": 100}


class Unwritable:
    """A platform that takes no split."""

    async def set_split(self, worker: str, split: Split, **how: Any) -> LiveSplit:
        raise TargetAway(f"{worker}: maintenance")
