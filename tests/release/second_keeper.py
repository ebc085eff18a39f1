"""The acting keeper dies during a breach; how long until the second one has the known-good version back."""

from datetime import timedelta

from tests.release.model_machine import KEEPERS
from tests.release.model_world import World
from tests.release.test_late_wakers import approve, in_canary

SECOND = timedelta(seconds=1)
TICK = timedelta(seconds=1)
FIRST, SECOND_KEEPER = KEEPERS
LIMIT = timedelta(seconds=60)


def seconds_until_restored(call: int) -> float:
    """
    Virtual seconds from the first keeper's last call, which is its *call*-th in the breach, to the restore.

    Both keepers tick once a second, half a second apart; the first stands still for good.
    """
    machine = in_canary()
    world = machine.world
    approve(machine)
    world.advance(2 * SECOND)
    world.kill(machine._run)
    world.rates.update({"candidate": 0.08})
    died = _first_dies(world, call)
    while world.candidate_weight > 0 and world.clock.now() - died < LIMIT:
        world.advance(TICK / 2)
        world.tick(SECOND_KEEPER)
        broken = world.check()
        assert not broken, broken
    took = (world.clock.now() - died).total_seconds()
    world.close()
    return took


def _first_dies(world: World, call: int):
    for _ in range(30):
        world.advance(TICK)
        world.tick(FIRST, call)
        world.check()
        if world.acting[FIRST].process.frozen:
            break
        if world.candidate_weight == 0:
            break
    return world.clock.now()
