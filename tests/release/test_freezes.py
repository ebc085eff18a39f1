"""In a freeze nothing begins and no traffic is raised; breaking the glass is kept and paged."""

import asyncio
from datetime import timedelta

import pytest

from phasegate.actions.opening import open_release
from phasegate.domain.errors import Refused
from phasegate.domain.events import Candidate
from phasegate.domain.freeze import Freeze
from phasegate.domain.plan import RolloutPlan
from tests.release.kill_cell import plan
from tests.release.model_machine import KEEPERS, ReleaseMachine
from tests.release.model_platform import START, Process
from tests.release.model_world import RELEASE, SERVICE, World
from tests.release.test_late_wakers import approve

pytestmark = pytest.mark.patient

SECOND = timedelta(seconds=1)


def frozen_plan(*, since: timedelta, until: timedelta) -> RolloutPlan:
    """The model's plan with a freeze, counted from the model's beginning of time."""
    moments = [f"{START + moment:%Y-%m-%d %H:%M}" for moment in (since, until)]
    freeze = Freeze(reason="the night of the move", since=moments[0], until=moments[1])
    return plan().model_copy(update={"freezes": (freeze,)})


def open_in(world: World, *, break_glass: str) -> None:
    """Open a release of an uploaded version."""
    hands = world.hands(Process("run"))
    opening = open_release(
        hands,
        RELEASE,
        service=SERVICE,
        plan=world.plan,
        candidate=Candidate(version="v9"),
        reason="a test",
        requested_by="linus",
        break_glass=break_glass,
    )
    world.loop.run_until_complete(asyncio.wait_for(opening, 5))
    world.check()


def test_a_release_in_a_freeze_is_refused_before_it_exists():
    """
    The refusal names the end, the reason and the way out; nothing is in the ledger.
    """
    world = World(frozen_plan(since=timedelta(0), until=timedelta(hours=1)))

    with pytest.raises(Refused, match="until 2026-02-17 04:00 UTC: the night of the move"):
        open_in(world, break_glass="")
    rows = world.ledger.rows
    world.close()

    assert not rows


def test_whoever_breaks_the_glass_is_written_down_and_paged():
    """
    There are nights on which a fix cannot wait; they are not secret.
    """
    world = World(frozen_plan(since=timedelta(0), until=timedelta(hours=1)))

    open_in(world, break_glass="payments fail for everybody")
    state = world.state
    world.close()

    assert state is not None
    assert state.opened.break_glass == "payments fail for everybody"
    assert state.frozen(START) is None
    assert any("glass was broken" in notice.subject for notice in state.notices.values())


def test_a_release_that_comes_into_a_freeze_holds_and_goes_on_after_it():
    """
    Its candidate gets no further traffic meanwhile, and nobody has to start it again.
    """
    machine = ReleaseMachine()
    world = machine.world
    world.plan = frozen_plan(since=timedelta(minutes=1), until=timedelta(minutes=10))
    world.runs.start()
    world.settle()
    world.advance(SECOND)
    world.check()
    world.advance(timedelta(minutes=1))
    approve(machine)
    held = _weight_at(world, minutes=4)
    after = _weight_at(world, minutes=8)
    broken = world.check()
    world.close()

    assert held == 0
    assert after > 0
    assert not broken


def _weight_at(world: World, *, minutes: int) -> float:
    until = world.clock.now() + timedelta(minutes=minutes)
    while world.clock.now() < until:
        world.advance(5 * SECOND)
        for keeper in KEEPERS:
            world.tick(keeper)
        world.check()
    return world.candidate_weight


def test_a_candidate_that_turns_sick_while_a_freeze_holds_the_next_phase_is_taken_back():
    """
    The canary is passed at the beginning of a weekend; its users are there on Saturday too.
    """
    machine = ReleaseMachine()
    world = machine.world
    world.plan = frozen_plan(since=timedelta(minutes=1), until=timedelta(hours=60))
    world.runs.start()
    world.settle()
    world.advance(53 * SECOND)
    machine.life_goes_on(5, approve=True)
    began = world.candidate_weight
    machine.life_goes_on(120, approve=True)
    held, state = world.candidate_weight, world.state
    world.rates.update({"candidate": 0.08})
    after = _weight_at(world, minutes=2)
    broken, breach = world.check(), world.state.breach if world.state else ()
    world.close()

    assert state is not None
    assert not state.aborting
    assert (state.phase, list(state.soaks)) == ("partial", ["staging", "canary"])
    assert state.stalled_since is None
    assert (began, held, after) == (10, 10, 0)
    assert breach[0].criterion == "error-rate"
    assert not broken
