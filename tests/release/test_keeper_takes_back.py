"""The keeper protects production with nothing but ledger, target and metrics: no Prefect is running here."""

import asyncio
from datetime import timedelta
from pathlib import Path

from phasegate.actions.advancing import begin_soak, call_off
from phasegate.actions.deploying import promote, upload
from phasegate.actions.gates import ask
from phasegate.actions.opening import open_release
from phasegate.domain.errors import Refused
from phasegate.domain.events import Candidate, PhaseBegan
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Environment, RolloutPlan
from phasegate.edge.faults import Fault
from phasegate.keeper.loop import Keeper
from phasegate.settings import Settings
from phasegate.wiring import outside, read_bundle
from tests.release.stage import SERVICE, Stage, stage

RELEASE = "spring-rate-api-test"


async def opened(world: Stage, version: str, plan: RolloutPlan) -> None:
    """A release of *version* in its canary phase, at 10 %."""
    await open_only(world, version, plan)
    await at_phase(world, version, plan, "canary")


async def open_only(
    world: Stage, version: str, plan: RolloutPlan, *, candidate: Candidate | None = None
) -> None:
    """A release of *version*, a bundle unless *candidate* says else, of which nothing is done yet."""
    await open_release(
        world.hands,
        RELEASE,
        service=SERVICE,
        plan=plan,
        candidate=candidate or world.candidate(version),
        reason="a test",
        requested_by="ada",
    )


async def at_phase(world: Stage, version: str, plan: RolloutPlan, name: str) -> None:
    """The phase called *name* begins, with its weight set and its soak begun."""
    phase = plan.phase(name)
    bundle = read_bundle(world.settings, str(world.bundles[version]))
    await upload(world.hands, RELEASE, environment=Environment.PRODUCTION, bundle=bundle)
    await world.hands.journal.record(RELEASE, lambda s: _began(s.phase, name))
    await promote(world.hands, RELEASE, phase)
    now = world.hands.clock.now()
    assert phase.soak is not None
    await begin_soak(world.hands, RELEASE, phase, since=now, until=now + phase.soak.duration)


def _began(known: str, name: str) -> PhaseBegan | None:
    return None if known == name else PhaseBegan(phase=name)


def began_partial(state: ReleaseState) -> PhaseBegan | None:
    """The partial phase begins."""
    return _began(state.phase, "partial")


async def watched(settings: Settings, *, until, limit: float) -> bool:
    """A keeper with hands of its own watches until *until* says so; False when the time was not enough."""
    async with outside(settings, role="keeper") as hands:
        keeper, stop = Keeper(hands, "k1"), asyncio.Event()
        running = asyncio.create_task(keeper.run(stop))
        try:
            async with asyncio.timeout(limit):
                while not await until():  # noqa: ASYNC110 - the edge is asked, as an operator would
                    await asyncio.sleep(0.1)
            return True
        except TimeoutError:
            return False
        finally:
            stop.set()
            await running


async def test_a_version_that_fails_requests_is_taken_back_with_prefect_down(tmp_path: Path):
    """
    Eight in a hundred answers are errors: the known-good version has everything again.
    """
    async with stage(tmp_path, "0.1.13-errors") as world:
        await opened(world, "0.1.13-errors", world.plan())
        traffic = asyncio.create_task(world.traffic(seconds=20, rate=50))

        async def back() -> bool:
            return (await world.weights()) == {"0.1.11": 100}

        taken_back = await watched(world.settings, until=back, limit=20)
        traffic.cancel()
        state, rows = await world.state(RELEASE), await world.hands.journal.ledger.events(RELEASE)
        kinds = [row.event.kind for row in rows]

        assert taken_back
        assert state.breach[0].criterion == "error-rate"
        assert state.breach[0].total is not None
        assert state.restored_at is not None
        # Nothing comes between: how long that takes is measured, not tested.
        assert kinds[kinds.index("breached") + 1 :][:2] == ["intended", "acted"]
        assert any("rolled back" in notice.subject for notice in state.notices.values())


async def test_a_healthy_version_is_left_alone(tmp_path: Path):
    """
    The same keeper, the same traffic, a good version: nothing happens.
    """
    async with stage(tmp_path, "0.1.12") as world:
        await opened(world, "0.1.12", world.plan())
        traffic = asyncio.create_task(world.traffic(seconds=5, rate=50))

        async def done() -> bool:
            return traffic.done()

        await watched(world.settings, until=done, limit=20)
        state = await world.state(RELEASE)

        assert not state.aborting
        assert "canary" in state.followed
        assert (await world.weights()) == {"0.1.11": 90, "0.1.12": 10}
        assert (await traffic).failed == 0


async def test_a_breach_while_a_gate_waits_withdraws_the_question(tmp_path: Path):
    """
    Protection does not pause for a person: the question falls and the version is taken back.
    """
    async with stage(tmp_path, "0.1.13-errors") as world:
        plan = world.plan()
        await opened(world, "0.1.13-errors", plan)
        phase = plan.phase("canary")
        await ask(world.hands, RELEASE, phase, gate=phase.hold, hold=True, evidence="thin")
        traffic = asyncio.create_task(world.traffic(seconds=9, rate=50))

        async def back() -> bool:
            return (await world.weights()) == {"0.1.11": 100}

        taken_back = await watched(world.settings, until=back, limit=15)
        traffic.cancel()
        state = await world.state(RELEASE)
        kinds = [row.event.kind for row in await world.hands.journal.ledger.events(RELEASE)]

        assert taken_back
        assert state.question is None
        assert "withdrawn" in kinds or "expired" in kinds


async def test_a_question_nobody_answers_takes_the_release_back(tmp_path: Path):
    """
    Every wait has a limit, and its end is reject.
    """
    async with stage(tmp_path, "0.1.12") as world:
        plan = world.plan()
        await opened(world, "0.1.12", plan)
        phase = plan.phase("canary")
        gate = phase.hold.model_copy(update={"limit": timedelta(seconds=2)})
        await ask(world.hands, RELEASE, phase, gate=gate, hold=True, evidence="thin")

        async def back() -> bool:
            return (await world.weights()) == {"0.1.11": 100}

        taken_back = await watched(world.settings, until=back, limit=15)
        state = await world.state(RELEASE)

        assert taken_back
        assert state.abort is not None
        assert "silence means reject" in state.abort.reason


async def test_a_release_that_is_called_off_cannot_be_promoted(tmp_path: Path):
    """
    A run that was about to raise the weight finds the abort in the ledger and is refused.
    """
    async with stage(tmp_path, "0.1.12") as world:
        plan = world.plan()
        await opened(world, "0.1.12", plan)
        await call_off(world.hands, RELEASE, by="ada", reason="changed my mind")

        refusal = ""
        try:
            await promote(world.hands, RELEASE, plan.phase("partial"))
        except Refused as refused:
            refusal = str(refused)

        assert "changed my mind" in refusal
        assert (await world.weights()) == {"0.1.11": 90, "0.1.12": 10}


async def test_metrics_that_are_away_are_no_breach_and_no_pass(tmp_path: Path):
    """
    While telemetry does not answer the version stays where it is and is not called healthy.
    """
    async with stage(tmp_path, "0.1.12") as world:
        await opened(world, "0.1.12", world.plan())
        world.edge.faults.add(Fault.read({"kind": "telemetry_down"}))
        traffic = asyncio.create_task(world.traffic(seconds=4, rate=50))

        async def done() -> bool:
            return traffic.done()

        await watched(world.settings, until=done, limit=20)
        state = await world.state(RELEASE)

        assert not state.aborting
        assert state.verdict is not None
        assert state.verdict.finding == "not enough evidence"
        assert (await world.weights()) == {"0.1.11": 90, "0.1.12": 10}
