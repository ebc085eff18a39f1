"""Whoever took an answer may die at any moment: what the person said takes effect all the same."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from phasegate import faultpoint
from phasegate.actions.advancing import begin_soak
from phasegate.actions.evaluating import evaluate
from phasegate.actions.gates import answer, ask
from phasegate.actions.outside import Outside
from phasegate.domain.events import Choice, PhaseBegan
from phasegate.domain.plan import Phase
from phasegate.domain.steps import Next
from tests.release.driver import approval
from tests.release.paper import RELEASE, paper_release

pytestmark = pytest.mark.patient


class Killed(BaseException):
    """The process is dead."""


@pytest.fixture(autouse=True)
def dies_after_the_answer() -> Iterator[None]:
    """The process ends once it has written that somebody answered."""

    def die(name: str) -> None:
        if name == "after event answered":
            faultpoint.arm(None)
            raise Killed

    faultpoint.arm(die)
    yield
    faultpoint.arm(None)


async def answered(hands: Outside, choice: Choice) -> None:
    """The soak of the canary is over, a question was put, and its answer taken by a process that died."""
    state = await hands.journal.record(RELEASE, lambda s: PhaseBegan(phase="canary"))
    phase, now = state.plan.phase("canary"), hands.clock.now()
    await begin_soak(hands, RELEASE, phase, since=now - timedelta(hours=3), until=now - timedelta(hours=1))
    state = await ask(hands, RELEASE, phase, gate=phase.hold, hold=True, evidence="too few users")
    assert state.question is not None
    given = approval(state.question, approver="Grace").model_copy(update={"choice": choice})
    with pytest.raises(Killed):
        await answer(hands, RELEASE, given)


async def canary(hands: Outside) -> Phase:
    """The phase that the release is in."""
    return (await hands.journal.state(RELEASE)).plan.phase("canary")


async def test_a_rejection_calls_the_release_off_although_its_taker_died(tmp_path: Path):
    """
    The person read "answered"; without this the question would be put again, at the present weight.
    """
    async with paper_release(tmp_path) as (hands, _):
        await answered(hands, Choice.REJECT)
        step, judged = await evaluate(hands, RELEASE, await canary(hands))
        state = await hands.journal.state(RELEASE)

    assert (step.next, judged) == (Next.ABORT, False)
    assert state.why_abort.startswith("Grace (")
    assert state.asked == 1


async def test_more_time_is_given_although_the_taker_of_the_answer_died(tmp_path: Path):
    """
    Nothing is judged before the time that a person asked for is over, and it is given once.
    """
    async with paper_release(tmp_path) as (hands, _):
        await answered(hands, Choice.EXTEND)
        steps = [await evaluate(hands, RELEASE, await canary(hands)) for _ in range(2)]
        state = await hands.journal.state(RELEASE)

    assert [(step.next, judged) for step, judged in steps] == [(Next.SOAK, False)] * 2
    assert state.soaks["canary"].extended == 1
    assert state.soaks["canary"].until > hands.clock.now()
