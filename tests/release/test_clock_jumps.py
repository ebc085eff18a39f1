"""A host's clock is put forward or back: nobody is left unwatched, and no lease outlives its holder."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from phasegate.actions.traffic import LEASE
from phasegate.adapters.ledger_sql import SqlLedger
from phasegate.domain.errors import Superseded
from phasegate.domain.events import Driven, Noted
from phasegate.keeper.loop import Keeper
from phasegate.ports import RunStatus
from tests.ledger_cases import T0, opened
from tests.release.paper import RELEASE, paper_release
from tests.release.standins import Alive

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
async def test_a_keeper_goes_on_looking_whichever_way_the_clock_jumps(tmp_path: Path, jump: timedelta):
    """
    "Due in five seconds" means an hour and five seconds once the clock has been put back by an hour.
    """
    async with paper_release(tmp_path) as (hands, clock):
        keeper = Keeper(replace(hands, runs=Alive()), "k1")
        await keeper.tick()
        clock.now_is += jump
        await keeper.tick()

    assert keeper.health().told["releases"] == {RELEASE: 0.0}


async def test_a_lease_from_the_future_is_not_waited_for_and_its_holder_cannot_act(ledger: SqlLedger):
    """
    The holder died before the clock was put back; were it alive, its fence would be refused.
    """
    await ledger.open("r1", opened(), by="test", at=T0)
    first = await ledger.take("r1", holder="dead", ttl=LEASE, now=T0)

    second = await ledger.take("r1", holder="alive", ttl=LEASE, now=T0 - HOUR)

    assert second.fence > first.fence
    with pytest.raises(Superseded):
        await ledger.append("r1", Noted(text="late"), by="dead", at=T0, expected=None, fence=first.fence)


class Hanging(Alive):
    """An orchestrator that takes every question and answers none."""

    async def status(self, run: str) -> RunStatus:
        """Never."""
        await asyncio.Event().wait()
        return RunStatus.ACTIVE


async def test_an_orchestrator_that_hangs_delays_no_look(tmp_path: Path):
    """
    A server that accepts connections and says nothing is worse than one that is away.
    """
    async with paper_release(tmp_path) as (hands, clock):
        await hands.journal.record(RELEASE, lambda s: None if s.run else Driven(run="a run"))
        keeper = Keeper(replace(hands, runs=Hanging()), "k1")
        looks = []
        for _ in range(3):
            await keeper._begin()
            async with asyncio.timeout(20):
                while RELEASE in keeper._looks:  # noqa: ASYNC110 - a task ends
                    await asyncio.sleep(0.01)
            looks.append(keeper._seen[RELEASE])
            clock.now_is += timedelta(seconds=10)
        await keeper._finish(limit=0)

    assert looks == sorted(set(looks))
    assert len(looks) == 3
