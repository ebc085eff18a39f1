"""A process that slept (a paused host, a lost network) and goes on later finds that others have acted."""

from datetime import timedelta

import pytest

from phasegate.actions.advancing import call_off
from phasegate.domain.events import Outcome
from tests.release.driver import approval
from tests.release.model_machine import ReleaseMachine
from tests.release.model_platform import Process
from tests.release.model_world import RELEASE

pytestmark = pytest.mark.patient

SECOND = timedelta(seconds=1)
# The run's calls around its first write in production; 1 is its first call after the gate.
CALLS = (1, 30, 60, *range(86, 104, 2), *range(93, 98, 2))


def in_canary() -> ReleaseMachine:
    """A release whose run is about to begin its canary phase, and everything around it."""
    machine = ReleaseMachine()
    world = machine.world
    world.runs.start()
    world.settle()
    for _ in range(20):
        world.check()
        if world.state and world.state.question:
            break
        machine.life_goes_on(1, approve=False)
    return machine


def approve(machine: ReleaseMachine) -> None:
    """The staging gate is passed."""
    state = machine.world.state
    assert state is not None
    assert state.question is not None
    machine._says(approval(state.question, approver="ada"))


@pytest.mark.parametrize("call", sorted(set(CALLS)))
def test_a_run_that_wakes_up_after_the_take_back_changes_nothing(call: int):
    """
    Wherever it slept: between its reading and its writing too, where no fence can stop it.
    """
    machine = in_canary()
    world = machine.world
    run = world.acting[machine._run]
    approve(machine)
    run.process.left = call
    world.advance(2 * SECOND)
    asleep = run.process.frozen
    process = Process("abort")
    world.begin("abort", process, call_off(world.hands(process), RELEASE, by="ada", reason="no"))
    world.settle()
    world.runs.status_of["lost"] = world.runs.status_of.pop(machine._run)
    for _ in range(90):
        machine.life_goes_on(1, approve=False)
        world.check()

    run.process.thaw()
    machine.life_goes_on(3, approve=False)
    world.advance(timedelta(minutes=2))
    broken, state, weight = world.check(), world.state, world.candidate_weight
    world.close()

    assert asleep
    assert not broken
    assert state is not None
    assert state.ended is not None
    assert state.ended.outcome is not Outcome.PROMOTED
    assert weight == 0
