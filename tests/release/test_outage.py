"""When the platform does not answer, a release waits for as long as its plan says, and no longer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from phasegate.actions.outside import Outside
from phasegate.actions.stalling import stall
from phasegate.domain.criteria import Level
from phasegate.domain.events import PhaseBegan
from phasegate.domain.outage import Outage, Stalled
from phasegate.domain.steps import Next, Step
from phasegate.keeper.care import STUCK, _stuck_at
from tests.release.paper import RELEASE, paper_release
from tests.release.test_care_for_runs import Later

pytestmark = pytest.mark.patient

OUTAGE = Outage(tell_after=timedelta(minutes=5), limit=timedelta(hours=1))
AWAY = "the platform did not answer"


@asynccontextmanager
async def begun(home: Path) -> AsyncIterator[tuple[Outside, Later]]:
    """A release whose canary phase has begun, and the clock by which it waits."""
    async with paper_release(home, outage=OUTAGE) as (hands, clock):
        await hands.journal.record(RELEASE, lambda s: PhaseBegan(phase="canary"))
        yield hands, clock


async def tried(hands: Outside, clock: Later, *, after: timedelta) -> Step:
    """One more try in vain, *after* that much time."""
    clock.now_is += after
    return await stall(hands, RELEASE, "canary", because=AWAY)


async def test_a_platform_that_is_away_is_tried_again_ever_more_rarely(tmp_path: Path):
    """
    An outage of an hour must not fill the orchestrator with a thousand runs of one phase.
    """
    async with begun(tmp_path) as (hands, clock):
        pauses = []
        for after in (0, 10, 100, 1000):
            step = await tried(hands, clock, after=timedelta(seconds=after))
            assert step.next is Next.SOAK
            assert step.until is not None
            pauses.append((step.until - clock.now()).total_seconds())
        rows = await hands.journal.ledger.events(RELEASE)

    assert pauses == [5, 5, 11, 60]
    assert sum(isinstance(row.event, Stalled) for row in rows) == 1


async def test_people_are_told_before_the_release_is_given_up(tmp_path: Path):
    """
    Whoever can bring the platform back gets the time between the page and the end.
    """
    async with begun(tmp_path) as (hands, clock):
        await tried(hands, clock, after=timedelta(0))
        silent = (await hands.journal.state(RELEASE)).notices
        for _ in range(3):
            await tried(hands, clock, after=OUTAGE.tell_after)
        told = tuple((await hands.journal.state(RELEASE)).notices.values())

    assert silent == {}
    assert [notice.level for notice in told] == [Level.CRITICAL]
    assert AWAY in told[0].text
    assert "called off" in told[0].text


async def test_a_wait_for_the_platform_ends_with_the_release_called_off(tmp_path: Path):
    """
    Every wait has a limit and a stated end; a release left at its split for ever has neither.
    """
    async with begun(tmp_path) as (hands, clock):
        await tried(hands, clock, after=timedelta(0))
        step = await tried(hands, clock, after=OUTAGE.limit)
        state = await hands.journal.state(RELEASE)

    assert step.next is Next.ABORT
    assert state.abort is not None
    assert state.abort.reason == f"canary could not go on for 1h: {AWAY}"


async def test_progress_starts_the_wait_anew(tmp_path: Path):
    """
    Two short outages on two days are not one long one.
    """
    async with begun(tmp_path) as (hands, clock):
        await tried(hands, clock, after=timedelta(0))
        await hands.journal.record(RELEASE, lambda s: PhaseBegan(phase="partial"))
        step = await tried(hands, clock, after=OUTAGE.limit)
        state = await hands.journal.state(RELEASE)

    assert step.next is Next.SOAK
    assert state.stalled_since == clock.now()


async def test_a_run_that_waits_for_the_platform_is_not_taken_for_dead(tmp_path: Path):
    """
    It writes nothing for as long as it waits; a second run would only wait beside it.
    """
    async with begun(tmp_path) as (hands, clock):
        await tried(hands, clock, after=timedelta(0))
        state = await hands.journal.state(RELEASE)

    assert _stuck_at(state) == clock.now() + STUCK + OUTAGE.limit
