"""What waits has a limit, and what is known already is not said again."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from phasegate import wiring
from phasegate.actions.outside import Outside
from phasegate.domain.criteria import Level
from phasegate.domain.events import AbortAsked, Judged, PhaseBegan, Uploaded
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Environment
from phasegate.domain.steps import Next
from phasegate.domain.verdict import Finding
from phasegate.keeper.paging import PATIENCE
from phasegate.keeper.watch import Watch
from tasks.evaluate import evaluate
from tests.ledger_cases import CANARY, asked, judged, shifted, soaking
from tests.release.paper import RELEASE, paper_release

pytestmark = pytest.mark.patient

MOMENT = timedelta(seconds=1)


async def exposed(hands: Outside) -> ReleaseState:
    """The candidate takes 10 % of production."""
    events = (Uploaded(environment=Environment.PRODUCTION, version=CANARY), PhaseBegan(phase="canary"))
    for event in (*events, *shifted(10)):
        state = await hands.journal.record(RELEASE, lambda s, e=event: e)
    return state


async def test_a_take_back_that_fails_for_a_minute_pages_people_once(tmp_path: Path):
    """
    While the platform is away nobody but a person can bring the known-good version back.
    """
    async with paper_release(tmp_path) as (hands, clock):
        await exposed(hands)
        await hands.journal.record(RELEASE, lambda s: AbortAsked(by="ada", reason="wrong totals"))
        watch = Watch(hands)
        await watch.look_at(RELEASE)
        told_at_once = (await hands.journal.state(RELEASE)).notices
        for _ in range(2):
            clock.now_is += PATIENCE
            await watch.look_at(RELEASE)
        told = tuple((await hands.journal.state(RELEASE)).notices.values())

    assert told_at_once == {}
    assert [notice.level for notice in told] == [Level.CRITICAL]
    assert "set v1 by hand" in told[0].text


async def test_a_question_expires_although_no_keeper_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """
    A run that evaluates finds the time over by itself; silence means reject, whoever notices it.
    """
    async with paper_release(tmp_path) as (hands, clock):
        monkeypatch.setitem(wiring._open, id(asyncio.get_running_loop()), (AsyncExitStack(), hands))
        await exposed(hands)
        question = asked(phase="canary", hold=True)
        await hands.journal.record(RELEASE, lambda s: question)
        clock.now_is = question.expires_at + MOMENT

        step = await evaluate.__wrapped__(RELEASE, "canary")
        state = await hands.journal.state(RELEASE)

    assert step.next is Next.ABORT
    assert "silence means reject" in step.because
    assert state.question is None


async def test_a_verdict_that_says_nothing_new_is_no_event(tmp_path: Path):
    """
    A look every five seconds for a day would otherwise be 17,280 rows that say the same.
    """
    findings = (Finding.INCONCLUSIVE, Finding.INCONCLUSIVE, Finding.HEALTHY, Finding.HEALTHY)
    async with paper_release(tmp_path) as (hands, _):
        watch = Watch(hands)
        await exposed(hands)
        await hands.journal.record(RELEASE, lambda s: soaking("canary"))
        for finding in findings:
            await watch._note(await hands.journal.state(RELEASE), judged("canary", finding).verdict)
        rows = await hands.journal.ledger.events(RELEASE)

    seen = [row.event.verdict.finding for row in rows if isinstance(row.event, Judged)]
    assert seen == [Finding.INCONCLUSIVE, Finding.HEALTHY]
