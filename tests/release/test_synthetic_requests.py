"""Synthetic requests in a release whose users are too few: they may accuse, they are counted apart, they are bounded."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from phasegate.actions.advancing import judge_phase
from phasegate.actions.judging import Judging
from phasegate.actions.marking import synthetic_name
from phasegate.cli_ledger_minutes import recorded
from phasegate.domain.decision import Action
from phasegate.domain.judge.replay import agrees, looks, recorded_and_replayed
from phasegate.domain.observation import Minute
from phasegate.domain.plan import LowTraffic, RolloutPlan, Soak, Synthetic
from phasegate.domain.verdict import Finding
from phasegate.report.evidence import verdict_markdown
from tests.release.stage import SECOND, SERVICE, Stage, stage
from tests.release.test_keeper_takes_back import RELEASE, opened, watched
from tests.release.test_second_source import only_error_rate

SESSION = {"method": "POST", "path": "/api/sessions", "body": '{"clientId": "synthetic"}', "status": 201}
ASKED = {
    "requests": [SESSION],
    "rate": 8,
    "ceiling": 1000,
    "limit": "30s",
    "writes": "a session that nobody uses",
}


def planned(world: Stage, *, seconds: int = 60, **asked: object) -> RolloutPlan:
    """The demo's plan with a canary of so many seconds, taken back by counts alone, and synthetic requests."""
    plan = only_error_rate(world.plan())
    soak = Soak(duration=seconds * SECOND, extensions=0)
    phases = tuple(
        phase.model_copy(update={"soak": soak, "low_traffic": LowTraffic.ACCEPT})
        if phase.name == "canary"
        else phase
        for phase in plan.phases
    )
    quiet = {"silence_warns": 4 * SECOND, "silence_holds": 6 * SECOND, "cross_check": None}
    telemetry = plan.telemetry.model_copy(update=quiet)
    synthetic = Synthetic.model_validate({**ASKED, **asked})
    return plan.model_copy(update={"phases": phases, "telemetry": telemetry, "synthetic": synthetic})


async def sent(world: Stage) -> tuple[Minute, ...]:
    """What is stored of synthetic requests."""
    return await world.hands.journal.ledger.minutes(RELEASE, synthetic_name(SERVICE))


async def test_a_harmful_version_without_users_is_taken_back_on_synthetic_requests(tmp_path: Path):
    """
    Nobody uses it, eight in a hundred answers fail: its control answers the same requests well.
    """
    async with stage(tmp_path, "0.1.13-errors") as world:
        await opened(world, "0.1.13-errors", planned(world))

        async def back() -> bool:
            return (await world.weights()) == {"0.1.11": 100}

        taken_back = await watched(world.settings, until=back, limit=40)
        state = await world.state(RELEASE)
        recording = await recorded(world.settings.ledger, RELEASE)
        print(state.why_abort)
        for m in await sent(world):
            print(m)
        for row in await world.hands.journal.ledger.events(RELEASE):
            print(row.at, row.event.kind, str(row.event)[:300])
        for m in await world.hands.journal.ledger.minutes(RELEASE, SERVICE):
            print(m.start, m.counts, m.own)

        assert taken_back
        assert all(reason.rule.startswith("synthetic") for reason in state.breach)
