"""One release per service: the next one is refused, waits for its turn, or has the other taken back."""

import asyncio
from datetime import timedelta

import pytest

from phasegate.actions.opening import open_release
from phasegate.actions.turns import Turn, read_turn
from phasegate.domain.errors import FixTheInput, Refused
from phasegate.domain.events import Candidate, Outcome
from phasegate.domain.ledger import ReleaseState, replay
from tests.release.kill_cell import plan
from tests.release.model_machine import ReleaseMachine
from tests.release.model_platform import Process
from tests.release.model_world import RELEASE, SERVICE, World

pytestmark = pytest.mark.patient

NEXT = "model-2"
SECOND = timedelta(seconds=1)


def released() -> ReleaseMachine:
    """The first release is driven by a run, and its candidate takes traffic."""
    machine = ReleaseMachine()
    machine.world.runs.start()
    machine.world.settle()
    for _ in range(60):
        machine.world.check()
        if machine.world.candidate_weight > 0:
            return machine
        machine.life_goes_on(1, approve=True)
    raise AssertionError("the candidate never took traffic")


def opening(world: World, turn: Turn, *, release: str = NEXT) -> asyncio.Task[ReleaseState]:
    """Somebody starts the next one."""
    hands = world.hands(Process(release))
    task = world.loop.create_task(
        open_release(
            hands,
            release,
            service=SERVICE,
            plan=plan(),
            candidate=Candidate(version="v9"),
            reason="a fix",
            requested_by="ada",
            turn=turn,
        )
    )
    world.settle()
    return task


def go_on(machine: ReleaseMachine, task: asyncio.Task[ReleaseState], *, at_most: int) -> None:
    """Time passes, keepers look and people approve, until the next one has begun or was refused."""
    for _ in range(at_most):
        if task.done():
            return
        machine.life_goes_on(1, approve=True)
        machine.world.check()


def state_of(world: World, release: str) -> ReleaseState:
    """As a replay gives it."""
    return replay(world.ledger.rows[release])


def test_without_a_turn_the_second_release_is_refused():
    """
    Nobody's release is ended or waited for by accident.
    """
    machine = released()
    world = machine.world

    task = opening(world, Turn())
    trouble = task.exception()
    first = state_of(world, RELEASE)
    world.close()

    assert isinstance(trouble, Refused)
    assert NEXT not in world.ledger.rows
    assert not first.aborting


def test_superseding_takes_the_other_one_back_by_name_and_then_begins():
    """
    Both ledgers say who did it and why, and the known-good version serves everybody in between.
    """
    machine = released()
    world = machine.world

    task = opening(world, Turn(supersede="it has the wrong prices"))
    go_on(machine, task, at_most=400)
    first, second = state_of(world, RELEASE), task.result()
    world.close()

    assert first.ended is not None
    assert first.ended.outcome is Outcome.ROLLED_BACK
    assert first.why_abort == f"ada: superseded by {NEXT}: it has the wrong prices"
    assert second.known_good == first.known_good
    assert second.opened_at >= first.at
    assert [notice.subject for notice in second.notices.values()] == [f"{NEXT} supersedes {RELEASE}"]
    assert "wrong prices" in next(iter(second.notices.values())).text


def test_a_queued_release_leaves_the_other_one_alone():
    """
    It begins once the other has ended, and both ledgers say that it waited.
    """
    machine = released()
    world = machine.world

    task = opening(world, Turn(queue=timedelta(hours=2)))
    go_on(machine, task, at_most=400)
    first, second = state_of(world, RELEASE), task.result()
    waited = [row.event.text for row in world.ledger.rows[RELEASE] if row.event.kind == "noted"]
    world.close()

    assert first.ended is not None
    assert first.abort is None
    assert waited == [f"{NEXT}, asked for by ada, waits for its turn"]
    assert [notice.subject for notice in second.notices.values()] == [f"{NEXT} has its turn"]


def test_a_turn_that_does_not_come_ends_in_a_refusal():
    """
    Every wait has a limit and a stated end; nothing was begun, and the other goes on.
    """
    machine = released()
    world = machine.world

    task = opening(world, Turn(queue=10 * SECOND))
    go_on(machine, task, at_most=20)
    trouble = task.exception()
    first = state_of(world, RELEASE)
    world.close()

    assert isinstance(trouble, Refused)
    assert "waited 10s for its turn" in str(trouble)
    assert NEXT not in world.ledger.rows
    assert not first.aborting


def test_of_two_that_wait_one_begins_and_the_other_waits_on():
    """
    Whoever finds the service free first has it; the ledger lets only one in.
    """
    machine = released()
    world = machine.world

    tasks = [opening(world, Turn(queue=timedelta(hours=2)), release=name) for name in (NEXT, "model-3")]
    go_on(machine, tasks[0], at_most=400)
    go_on(machine, tasks[1], at_most=5)
    begun = [name for name in (NEXT, "model-3") if name in world.ledger.rows]
    waiting = [task for task in tasks if not task.done()]
    for task in waiting:
        task.cancel()
    world.settle()
    world.close()

    assert len(begun) == 1
    assert len(waiting) == 1


@pytest.mark.parametrize(
    ("supersede", "queue", "words"),
    [
        ("why not", "2h", "either supersede or queue"),
        ("x", "", "at least 3 characters"),
        ("", "soon", "queue:"),
        ("", "30d", "at most 48h"),
    ],
)
def test_a_turn_that_cannot_be_meant_is_named(supersede: str, queue: str, words: str):
    """
    One error that says what is allowed, before anything was started.
    """
    with pytest.raises(FixTheInput, match=words):
        read_turn(supersede=supersede, queue=queue)


def test_the_other_one_is_taken_back_although_who_asked_for_it_died():
    """
    What was called off is called off; of the next one there is no trace, and it is started again.
    """
    machine = released()
    world = machine.world

    task = opening(world, Turn(supersede="it has the wrong prices"))
    task.cancel()
    for _ in range(400):
        machine.life_goes_on(1, approve=True)
    first, weight = state_of(world, RELEASE), world.candidate_weight
    world.close()

    assert first.ended is not None
    assert first.ended.outcome is Outcome.ROLLED_BACK
    assert weight == 0
    assert NEXT not in world.ledger.rows
