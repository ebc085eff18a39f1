"""A run that gave its process up just when its release was ended by somebody else is woken all the same."""

import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path

from phasegate.actions.rollback import close
from phasegate.domain.events import Driven, Outcome
from phasegate.keeper.loop import Keeper
from phasegate.keeper.sleepers import PATIENCE, Sleepers
from tests.loopback import Reply
from tests.release.stage import SECOND
from tests.release.test_care_for_runs import Later, cared_for
from tests.release.test_keeper_takes_back import RELEASE


@dataclass
class Dozing:
    """A Prefect server with one run, in the state that the test gives it; a resumed one is over."""

    state: str = "RUNNING"
    started: list[str] = field(default_factory=list)
    resumed: int = 0

    def answer(self, method: str, path: str, body: bytes) -> Reply:
        """The run, or the acceptance of its resumption."""
        if path.endswith("/resume"):
            self.resumed += 1
            self.state = "COMPLETED"
            return Reply(201, {"status": "ACCEPT", "details": {}, "state": {"type": "SCHEDULED"}})
        name = "Suspended" if self.state == "PAUSED" else self.state.title()
        return Reply(200, {"state_type": self.state, "state_name": name, "state": {}})


async def test_a_run_that_falls_asleep_after_the_end_is_woken(tmp_path: Path):
    """
    While it was about to suspend itself it could not be woken, and nothing looked at it again.
    """
    server = Dozing()
    async with cared_for(tmp_path, server) as hands:
        await hands.journal.record(RELEASE, lambda s: Driven(run=str(uuid.uuid4())))
        keeper = Keeper(hands, "k1")
        await keeper.tick()
        await close(hands, RELEASE, outcome=Outcome.ABANDONED, summary="somebody else deployed")
        await keeper.tick()
        server.state = "PAUSED"
        later = replace(hands, clock=Later(hands.clock.now() + 6 * SECOND))
        again = replace(keeper.sleepers, outside=later)
        await again.wake()
        await again.wake()

    assert server.resumed == 1


async def test_a_keeper_that_has_just_started_wakes_them_too(tmp_path: Path):
    """
    The keeper that saw the end may have died with what it remembered.
    """
    server = Dozing("PAUSED")
    async with cared_for(tmp_path, server) as hands:
        await hands.journal.record(RELEASE, lambda s: Driven(run=str(uuid.uuid4())))
        await close(hands, RELEASE, outcome=Outcome.ABANDONED, summary="somebody else deployed")
        await Keeper(hands, "k2").tick()

    assert server.resumed == 1


@dataclass
class Several(Dozing):
    """As `Dozing`, with a state for each run."""

    states: dict[str, str] = field(default_factory=dict)

    def answer(self, method: str, path: str, body: bytes) -> Reply:
        """The run that is asked for; anything else is taken."""
        run = next((run for run in self.states if run in path), "")
        self.state = self.states.get(run, "RUNNING")
        reply = super().answer(method, path, body)
        if run:
            self.states[run] = self.state
        return reply


async def test_the_run_of_a_release_that_another_run_took_back_is_woken(tmp_path: Path):
    """
    A person starts `rollback` for a release that soaks: that run drives from then on, and ends first.
    """
    release, rollback = str(uuid.uuid4()), str(uuid.uuid4())
    server = Several(states={release: "PAUSED", rollback: "RUNNING"})
    async with cared_for(tmp_path, server) as hands:
        for run in (release, rollback):
            await hands.journal.record(RELEASE, lambda s, run=run: Driven(run=run))
        keeper = Keeper(hands, "k1")
        await keeper.tick()
        await close(hands, RELEASE, outcome=Outcome.ROLLED_BACK, summary="taken back")
        server.states[rollback] = "FAILED"
        await keeper.tick()
        for _ in range(3):
            await keeper.sleepers.wake()

    assert server.states == {release: "COMPLETED", rollback: "FAILED"}
    assert server.resumed == 1


async def test_a_run_that_never_ends_is_left_alone_after_a_while(tmp_path: Path):
    """
    A run whose host died looks alive for ever.
    """
    server = Dozing()
    async with cared_for(tmp_path, server) as hands:
        await hands.journal.record(RELEASE, lambda s: Driven(run=str(uuid.uuid4())))
        await close(hands, RELEASE, outcome=Outcome.ABANDONED, summary="somebody else deployed")
        clock = Later(hands.clock.now())
        sleepers = Sleepers(replace(hands, clock=clock))
        await sleepers.wake()
        clock.now_is += PATIENCE + SECOND
        await sleepers.wake()
        server.state = "PAUSED"
        await sleepers.wake()

    assert server.resumed == 0
