"""What the service did before the release, on a real edge."""

import asyncio
from pathlib import Path

from phasegate.actions.collecting import collect
from phasegate.actions.judging import Judging
from phasegate.actions.remembering import history
from tests.release.stage import SERVICE, stage
from tests.release.test_keeper_takes_back import RELEASE, opened


async def test_a_canary_is_judged_with_what_the_service_did_before(tmp_path: Path):
    """
    The time before the release is stored once, so that every replay judges with the same history.
    """
    async with stage(tmp_path, "0.1.12") as world:
        await world.traffic(seconds=3, rate=30)
        await opened(world, "0.1.12", world.plan())
        await world.traffic(seconds=3, rate=60)
        await asyncio.sleep(1.1)  # the newest interval settles

        await collect(world.hands, await world.state(RELEASE))
        state = await world.state(RELEASE)
        before = await history(world.hands, state)
        await collect(world.hands, state)
        verdict = await Judging().verdict(world.hands, state)

        assert sum(minute.total(state.known_good.id) for minute in before) >= 60
        assert await history(world.hands, state) == before
        assert before[-1].end <= (await world.hands.journal.ledger.minutes(RELEASE, SERVICE))[0].start
        assert verdict is not None
        assert any("before the release 0 of " in reason.text for reason in verdict.reasons)
