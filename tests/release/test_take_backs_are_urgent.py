"""What an adapter is told of how urgent a change of traffic is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from phasegate.actions.advancing import call_off
from phasegate.actions.deploying import promote
from phasegate.actions.rollback import restore
from phasegate.domain.plan import OnForeign
from phasegate.domain.versions import LiveSplit, Split
from phasegate.urgency import is_taking_back
from tests.release.hands import planned
from tests.release.stage import stage
from tests.release.test_keeper_takes_back import RELEASE, began_partial, opened


async def test_only_a_take_back_is_urgent_from_its_first_reading_to_its_write(tmp_path: Path):
    """
    A promotion can wait until a rate limit is over, users of a harmful version cannot.
    """
    async with stage(tmp_path, "0.1.12") as world:
        plan = planned(world, OnForeign.HOLD)
        await opened(world, "0.1.12", plan)
        watching = Watching(world.hands.target)
        hands = replace(world.hands, target=watching)
        await hands.journal.record(RELEASE, began_partial)

        await promote(hands, RELEASE, plan.phase("partial"))
        promoting, watching.urgent = watching.urgent, []
        await call_off(hands, RELEASE, by="ada", reason="changed my mind")
        await restore(hands, RELEASE)

        assert promoting == [("live", False), ("set_split", False)]
        assert watching.urgent == [("live", True), ("set_split", True)]
        assert not is_taking_back()


class Watching:
    """A platform that notes whether the caller takes a version back."""

    def __init__(self, target: Any) -> None:
        self.target = target
        self.urgent: list[tuple[str, bool]] = []

    async def live(self, worker: str) -> LiveSplit | None:
        self.urgent.append(("live", is_taking_back()))
        live: LiveSplit | None = await self.target.live(worker)
        return live

    async def set_split(self, worker: str, split: Split, **how: Any) -> LiveSplit:
        self.urgent.append(("set_split", is_taking_back()))
        live: LiveSplit = await self.target.set_split(worker, split, **how)
        return live
