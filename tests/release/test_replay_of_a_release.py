"""A release that really ran, exported and judged again: the ledger's verdicts come out of the file."""

import asyncio
from datetime import timedelta
from pathlib import Path

from phasegate.actions.advancing import judge_phase
from phasegate.actions.judging import Judging
from phasegate.cli_ledger_minutes import recorded
from phasegate.domain.decision import Action
from phasegate.domain.judge.replay import agrees, looks, recorded_and_replayed
from phasegate.domain.plan import LowTraffic, RolloutPlan, Soak
from phasegate.domain.verdict import Finding
from tests.release.stage import Stage, stage
from tests.release.test_keeper_takes_back import RELEASE, opened, watched


def quick(plan: RolloutPlan) -> RolloutPlan:
    """The demo's plan with a canary of four seconds that accepts thin evidence."""
    soak = Soak(duration=timedelta(seconds=4), extensions=0)
    changes = {"soak": soak, "low_traffic": LowTraffic.ACCEPT}
    phases = tuple(
        phase.model_copy(update=changes) if phase.name == "canary" else phase for phase in plan.phases
    )
    return plan.model_copy(update={"phases": phases})


async def over(world: Stage) -> bool:
    """Whether the canary's soak is over and settled."""
    state = await world.state(RELEASE)
    return world.hands.clock.now() > state.soaks["canary"].until + state.plan.telemetry.settle


async def test_the_verdicts_of_a_real_release_are_found_again(tmp_path: Path):
    """
    Keeper and run judge a good version; what was accepted on thin evidence carries its price.
    """
    async with stage(tmp_path, "0.1.12") as world:
        plan = quick(world.plan())
        await opened(world, "0.1.12", plan)
        traffic = asyncio.create_task(world.traffic(seconds=6, rate=50))

        await watched(world.settings, until=lambda: over(world), limit=20)
        decision = await judge_phase(world.hands, RELEASE, plan.phase("canary"), Judging())
        traffic.cancel()
        recording = await recorded(world.settings.ledger, RELEASE)

        pairs = recorded_and_replayed(recording)
        assert decision is not None
        assert decision.action is Action.PROMOTE
        assert decision.accepted_low_traffic
        assert {"smallest-visible"} <= {reason.rule for reason in decision.because}
        assert len(pairs) >= 2
        assert [(a.finding, b.finding) for a, b in pairs if not agrees(a, b)] == []


async def test_the_breach_of_a_real_release_is_found_again(tmp_path: Path):
    """
    A version that fails is taken back by the keeper, and by the replay no later.
    """
    async with stage(tmp_path, "0.1.13-errors") as world:
        await opened(world, "0.1.13-errors", world.plan())
        traffic = asyncio.create_task(world.traffic(seconds=20, rate=50))

        async def back() -> bool:
            return (await world.weights()) == {"0.1.11": 100}

        taken_back = await watched(world.settings, until=back, limit=20)
        traffic.cancel()
        recording = await recorded(world.settings.ledger, RELEASE)

        (breach,) = recording.breaches
        production = recording.production
        assert taken_back
        assert production is not None
        found = tuple(looks(recording.plan, production))[-1].verdict
        assert found.finding is Finding.HARMFUL
        assert production.soaks[0].since < found.at <= breach.at
        assert all(agrees(*pair) for pair in recorded_and_replayed(recording))
