"""The keeper's care for runs has limits: it neither waits for a dead run nor starts new ones for ever."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from phasegate.actions.living import living, silent
from phasegate.actions.opening import open_release
from phasegate.actions.outside import Outside
from phasegate.domain.errors import CallAPerson
from phasegate.domain.events import Driven, PhaseBegan
from phasegate.keeper.care import STUCK, TRIES, UNDRIVEN, care_for_run
from phasegate.wiring import outside
from tests.loopback import Reply, serve
from tests.release.stage import SECOND, SERVICE, stage
from tests.release.test_keeper_takes_back import RELEASE

HALF_A_MINUTE = 30 * SECOND


@dataclass
class Later:
    """A clock that a test can put forward."""

    now_is: datetime

    def now(self) -> datetime:
        """The time it was put to."""
        return self.now_is

    async def sleep(self, duration: timedelta) -> None:
        """Let others go on."""
        await asyncio.sleep(0)


@dataclass
class Server:
    """A Prefect server whose runs are all in one state; ``started`` are those it was asked for."""

    state: str
    started: list[str] = field(default_factory=list)
    buried: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, body: bytes) -> Reply:
        """What the routes that the keeper uses answer."""
        if path.endswith("/flow_runs/filter"):
            return Reply(200, [{"id": run, "state_type": self.state} for run in reversed(self.started)])
        if path.endswith("/set_state"):
            self.buried.append(path.split("/")[-2])
        if "/deployments/name/" in path:
            return Reply(200, {"id": str(uuid.uuid4())})
        if path.endswith("/create_flow_run"):
            self.started.append(str(uuid.uuid4()))
            return Reply(201, {"id": self.started[-1]})
        return Reply(200, {"state_type": self.state, "state_name": self.state.title(), "state": {}})


@asynccontextmanager
async def cared_for(home: Path, server: Server) -> AsyncIterator[Outside]:
    """A release that has been opened, and hands that reach *server*."""
    async with serve(server.answer) as prefect, stage(home) as world:
        await open_release(
            world.hands,
            RELEASE,
            service=SERVICE,
            plan=world.plan(),
            candidate=world.candidate("0.1.11"),
            reason="a test",
            requested_by="ada",
        )
        settings = world.settings.model_copy(update={"prefect_api_url": f"{prefect.url}/api"})
        async with outside(settings, role="keeper") as hands:
            yield hands


async def test_runs_that_die_one_after_the_other_take_the_release_back_and_then_page(tmp_path: Path):
    """
    A defect that kills every run would otherwise start runs for ever, with users on the candidate.
    """
    server = Server("CRASHED")
    async with cared_for(tmp_path, server) as hands:
        await hands.journal.record(RELEASE, lambda s: Driven(run=str(uuid.uuid4())))
        for _ in range(TRIES):
            await care_for_run(hands, await hands.journal.state(RELEASE))
        called_off = await hands.journal.state(RELEASE)
        for _ in range(TRIES):
            await care_for_run(hands, await hands.journal.state(RELEASE))
        with pytest.raises(CallAPerson, match="runs in a row died"):
            await care_for_run(hands, await hands.journal.state(RELEASE))

        assert called_off.abort is not None
        assert "died without getting further" in called_off.abort.reason
        assert len(server.started) == 2 * TRIES - 1


async def test_a_release_that_no_run_drives_is_taken_up(tmp_path: Path):
    """
    The run died between opening the release and saying so; the service must not stay blocked.
    """
    server = Server("RUNNING")
    async with cared_for(tmp_path, server) as hands:
        at_once = await hands.journal.state(RELEASE)
        await care_for_run(hands, at_once)
        started_at_once = len(server.started)
        later = replace(hands, clock=Later(hands.clock.now() + UNDRIVEN + SECOND))
        await care_for_run(later, at_once)
        state = await hands.journal.state(RELEASE)

        assert started_at_once == 0
        assert [state.run] == server.started


async def test_a_run_that_does_nothing_any_more_is_replaced(tmp_path: Path):
    """
    A process that vanished with its host stays "Running" for ever.
    """
    server = Server("RUNNING")
    async with cared_for(tmp_path, server) as hands:
        await hands.journal.record(RELEASE, lambda s: PhaseBegan(phase="canary"))
        dead = str(uuid.uuid4())
        state = await hands.journal.record(RELEASE, lambda s: None if s.run else Driven(run=dead))
        await care_for_run(hands, state)
        started_at_once = len(server.started)
        later = replace(hands, clock=Later(hands.clock.now() + STUCK + SECOND))
        await care_for_run(later, state)
        state = await hands.journal.state(RELEASE)

        assert started_at_once == 0
        assert [state.run] == server.started


async def test_a_run_whose_signs_of_life_stop_is_replaced_although_prefect_believes_in_it(tmp_path: Path):
    """
    With its host died the worker that would have told; a quarter of an hour is too long to wait for it.
    """
    server, dead = Server("RUNNING"), str(uuid.uuid4())
    async with cared_for(tmp_path, server) as hands:
        state = await hands.journal.record(RELEASE, lambda s: Driven(run=dead))
        async with living(hands, dead, limit=HALF_A_MINUTE):
            await care_for_run(hands, state)
            started_alive = len(server.started)
            later = replace(hands, clock=Later(hands.clock.now() + HALF_A_MINUTE + SECOND))
            await care_for_run(later, state)
        state = await hands.journal.state(RELEASE)

        assert started_alive == 0
        assert [state.run] == server.started
        assert server.buried == [dead]


async def test_a_run_that_suspended_itself_has_said_so_and_is_not_silent(tmp_path: Path):
    """
    It may be resumed hours later by another host, whose start takes its time.
    """
    async with cared_for(tmp_path, Server("RUNNING")) as hands:
        async with living(hands, "a run", limit=HALF_A_MINUTE):
            await asyncio.sleep(0)
        later = replace(hands, clock=Later(hands.clock.now() + 100 * HALF_A_MINUTE))

        assert not await silent(later, "a run")


async def test_a_run_that_was_taken_up_and_vanished_is_replaced_by_another(tmp_path: Path):
    """
    The orchestrator believes for ever in a run whose host died: asked again it would name the same one.
    """
    server = Server("RUNNING")
    async with cared_for(tmp_path, server) as hands:
        await hands.journal.record(RELEASE, lambda s: PhaseBegan(phase="canary"))
        state = await hands.journal.record(
            RELEASE, lambda s: None if s.run else Driven(run=str(uuid.uuid4()))
        )
        for times in (1, 2):
            later = replace(hands, clock=Later(hands.clock.now() + times * (STUCK + SECOND)))
            await care_for_run(later, state)
            state = await hands.journal.state(RELEASE)
            await hands.journal.record(RELEASE, lambda s: None)

        assert len(server.started) == 2
        assert state.run == server.started[-1]
