"""Who looks in a keeper's place protects what it can, and hides from nobody that no keeper lives."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from phasegate.actions.guarding import guard
from phasegate.actions.outside import Outside
from phasegate.domain.errors import Refused
from phasegate.keeper.loop import Keeper
from phasegate.keeper.stand_in import stand_in
from tests.ledger_cases import SERVICE, opened
from tests.release.paper import RELEASE, paper_release
from tests.release.standins import Alive
from tests.release.test_care_for_runs import Later
from tests.release.test_keeper_shows_its_health import Passing

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


async def minutes_of_watch(hands: Outside, clock: Later, minutes: int) -> int:
    """The scheduled flow comes once a minute, with a start that is never quite on time."""
    looked_at = 0
    for minute in range(minutes):
        clock.now_is += MINUTE + (minute % 3 - 1) * SECOND
        looked_at += await stand_in(hands, f"watch-{minute}")
    return looked_at


@pytest.mark.parametrize("tick", [5, 10, 30])
async def test_that_no_keeper_lives_is_paged_once_however_often_somebody_stands_in(tmp_path: Path, tick: int):
    """
    A page every other minute is one that people switch off; one that never comes is worse.
    """
    async with paper_release(tmp_path, tick=tick * SECOND) as (paper, clock):
        hands = replace(paper, runs=Alive())
        await hands.journal.ledger.beat("k1", at=clock.now())
        looked_at = await minutes_of_watch(hands, clock, 10)
        notices = (await hands.journal.state(RELEASE)).notices.values()

    assert looked_at == 10
    assert sum("no keeper lives" in notice.subject for notice in notices) == 1


async def test_a_look_in_a_keepers_place_lets_no_traffic_be_raised(tmp_path: Path):
    """
    A single look a minute is no guard; a sign of life from it would say that production is watched.
    """
    async with paper_release(tmp_path) as (paper, clock):
        hands = replace(paper, runs=Alive())
        await hands.journal.ledger.beat("k1", at=clock.now())
        await minutes_of_watch(hands, clock, 5)
        waiting = replace(hands, clock=Passing(clock, hands.journal.ledger))
        with pytest.raises(Refused, match="no keeper watches"):
            await guard(waiting, RELEASE, unguarded="")


async def test_nobody_stands_in_while_a_keeper_lives(tmp_path: Path):
    """
    The keeper's own looks are enough, and Cloudflare's calls are counted.
    """
    async with paper_release(tmp_path) as (paper, clock):
        hands = replace(paper, runs=Alive())
        keeper = Keeper(hands, "k1")
        for _ in range(2):
            await keeper._begin_safely()
            await keeper._finish(limit=None)
            clock.now_is += 10 * SECOND
        looked_at = await stand_in(hands, "watch")

    assert looked_at == 0


async def test_a_release_that_cannot_be_read_keeps_nobody_from_looking_at_the_others(tmp_path: Path):
    """
    It is first in the list, and what is to be told about it needs its plan.
    """
    async with paper_release(tmp_path) as (paper, clock):
        hands = replace(paper, runs=Alive())
        other = opened().model_copy(update={"service": f"{SERVICE}-2", "plan": {"name": "of-another-time"}})
        await hands.journal.ledger.open("old-1", other, by="test", at=clock.now() + SECOND)
        clock.now_is += MINUTE
        looked_at = await stand_in(hands, "watch")
        notices = (await hands.journal.state(RELEASE)).notices.values()

    assert looked_at == 2
    assert any("no keeper lives" in notice.subject for notice in notices)
