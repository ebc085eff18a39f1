"""Staging: proved by machines, judged as of its load test, and never a danger to production."""

import asyncio
from datetime import timedelta
from pathlib import Path

from phasegate.actions.advancing import judge_phase
from phasegate.actions.deploying import stage as give_staging
from phasegate.actions.deploying import upload
from phasegate.actions.judging import Judging
from phasegate.actions.opening import open_release
from phasegate.actions.staging import load_staging, validate_staging
from phasegate.domain.checklist import Outcome
from phasegate.domain.decision import Action
from phasegate.domain.events import PhaseBegan
from phasegate.domain.plan import Environment, RolloutPlan
from phasegate.wiring import read_bundle
from tests.release.stage import SECOND, SERVICE, Stage, stage

RELEASE = "spring-rate-api-staged"


async def staged(world: Stage, version: str, plan: RolloutPlan) -> None:
    """A release of *version* whose staging Worker serves it."""
    await open_release(
        world.hands,
        RELEASE,
        service=SERVICE,
        plan=plan,
        candidate=world.candidate(version),
        reason="a test",
        requested_by="ada",
    )
    await world.hands.journal.record(RELEASE, lambda _: PhaseBegan(phase="staging"))
    bundle = read_bundle(world.settings, str(world.bundles[version]))
    await upload(world.hands, RELEASE, environment=Environment.STAGING, bundle=bundle)
    await give_staging(world.hands, RELEASE)


async def test_a_long_thought_about_the_gate_is_no_silence(tmp_path: Path):
    """
    Nobody uses staging while people think: the load test's evidence stands as of its own end.
    """
    async with stage(tmp_path, "0.1.12") as world:
        plan = world.plan()
        quick = plan.telemetry.model_copy(update={"silence_warns": SECOND, "silence_holds": 2 * SECOND})
        plan = plan.model_copy(update={"telemetry": quick})
        await staged(world, "0.1.12", plan)
        phase = plan.phase("staging")
        checked = await validate_staging(world.hands, RELEASE, phase)
        await load_staging(world.hands, RELEASE, phase)
        await asyncio.sleep(timedelta(seconds=5).total_seconds())

        decision = await judge_phase(world.hands, RELEASE, phase, Judging())
        state = await world.state(RELEASE)

        assert {result.outcome for result in checked.checks["staging"]} == {Outcome.PASSED}
        assert decision is not None
        assert decision.action is Action.PROMOTE
        assert state.verdict is not None
        assert not state.verdict.silent
        assert await world.weights() == {"0.1.11": 100}
