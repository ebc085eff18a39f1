"""A release that is taken back ends only on a platform that serves the known-good version."""

from datetime import timedelta

import pytest

from phasegate.actions.advancing import call_off
from phasegate.domain.versions import Split
from tests.release.model_platform import Process
from tests.release.model_world import RELEASE, SERVICE
from tests.release.test_late_wakers import approve, in_canary

pytestmark = pytest.mark.patient


def test_a_candidate_that_is_back_while_recovery_is_watched_is_taken_back_before_the_end():
    """
    Once the release has ended nobody looks any more: a late write would stay for ever.
    """
    machine = in_canary()
    world = machine.world
    approve(machine)
    world.advance(timedelta(seconds=2))
    process = Process("abort")
    world.begin("abort", process, call_off(world.hands(process), RELEASE, by="ada", reason="no"))
    world.settle()
    while not world.check() and world.state and world.state.restored_at is None:
        world.advance(timedelta(seconds=1))
    state = world.state
    assert state is not None
    assert state.canary is not None
    world.platform.put(SERVICE, Split.between(state.known_good.id, state.canary.id, canary_weight=10), "late")

    world.advance(timedelta(minutes=2))
    broken, ended, weight = world.check(), world.state, world.candidate_weight
    world.close()

    assert not broken
    assert ended is not None
    assert ended.ended is not None
    assert weight == 0
