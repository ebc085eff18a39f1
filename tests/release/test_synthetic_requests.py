"""Synthetic requests at the real edge: they may accuse, they prove nothing, and they are counted apart."""

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from phasegate.actions.advancing import judge_phase
from phasegate.actions.judging import Judging
from phasegate.actions.marking import synthetic_name
from phasegate.cli_ledger_minutes import recorded
from phasegate.domain.decision import Action, decide
from phasegate.domain.judge.replay import agrees, looks, recorded_and_replayed
from phasegate.domain.observation import Minute
from phasegate.domain.plan import LowTraffic, RolloutPlan, Soak, Synthetic
from phasegate.domain.synthetic import USER_AGENT
from phasegate.domain.verdict import Finding
from phasegate.report.evidence import verdict_markdown
from tests.release.stage import SECOND, SERVICE, Stage, stage
from tests.release.test_keeper_takes_back import RELEASE, opened, watched
from tests.release.test_second_source import only_error_rate

SESSION = {"method": "POST", "path": "/api/sessions", "body": '{"clientId": "synthetic"}', "status": 201}
MATERIALS = {"path": "/api/materials"}
ASKED = {
    "requests": [SESSION],
    "rate": 8,
    "ceiling": 1000,
    "limit": "60s",
    "within": "500ms",
    "writes": "sessions that nobody uses; the service deletes them when they expire",
}


def planned(world: Stage, *, seconds: int = 60, warns: int = 6, **asked: object) -> RolloutPlan:
    """The demo's plan: a canary of so many seconds, taken back by counts alone, with synthetic requests."""
    plan = only_error_rate(world.plan())
    soak = Soak(duration=seconds * SECOND, extensions=0)
    changes = {"soak": soak, "low_traffic": LowTraffic.ACCEPT}
    phases = tuple(
        phase.model_copy(update=changes) if phase.name == "canary" else phase for phase in plan.phases
    )
    quiet = {"silence_warns": warns * SECOND, "silence_holds": (warns + 2) * SECOND, "cross_check": None}
    synthetic = Synthetic.model_validate({**ASKED, **asked})
    telemetry = plan.telemetry.model_copy(update=quiet)
    return plan.model_copy(update={"phases": phases, "telemetry": telemetry, "synthetic": synthetic})


@dataclass(frozen=True)
class At:
    """A moment: however slow this machine is, the soak is judged as of its end."""

    moment: datetime

    def now(self) -> datetime:
        """That moment."""
        return self.moment


async def sent(world: Stage) -> tuple[Minute, ...]:
    """What is stored of synthetic requests."""
    return await world.hands.journal.ledger.minutes(RELEASE, synthetic_name(SERVICE))


def served(world: Stage, minutes: tuple[Minute, ...], *, ours: bool) -> Counter[tuple[str, str]]:
    """(version, path) -> requests that the edge really served in *minutes*: of ours, or of everybody else."""
    since, until = minutes[0].start.timestamp() * 1000, minutes[-1].end.timestamp() * 1000
    found: Counter[tuple[str, str]] = Counter()
    for series, rows in world.edge.telemetry.minutes(since, until):
        for number, *_ in rows:
            if (series[number].agent == USER_AGENT) is ours:
                found[series[number].version_id, series[number].path] += 1
    return found


async def test_a_harmful_version_without_users_is_taken_back_on_synthetic_requests(tmp_path: Path):
    """
    Nobody uses it, a tenth of its sessions fail, and its control gives the same ones; replay finds the same.
    """
    async with stage(tmp_path, "0.1.13-errors") as world:
        await opened(world, "0.1.13-errors", planned(world))

        async def back() -> bool:
            return (await world.weights()) == {"0.1.11": 100}

        taken_back = await watched(world.settings, until=back, limit=60)
        state, stored = await world.state(RELEASE), await sent(world)
        recording = await recorded(world.settings.ledger, RELEASE)
        asked = served(world, stored, ours=True)

        assert taken_back
        assert all(reason.rule.startswith("synthetic") for reason in state.breach)
        assert "control" in state.why_abort
        canary, control = state.uploaded["production"].id, state.opened.known_good.id
        assert {version for version, path in asked if path == "/api/sessions"} == {canary, control}
        assert sum(minute.total(canary) for minute in stored) == asked[canary, "/api/sessions"]
        assert sum(minute.total(control) for minute in stored) == asked[control, "/api/sessions"]
        users = await world.hands.journal.ledger.minutes(RELEASE, SERVICE)
        assert sum(count.total for minute in users for count in minute.counts) == 0
        assert all(agrees(*pair) for pair in recorded_and_replayed(recording))
        assert recording.production is not None
        assert tuple(looks(recording.plan, recording.production))[-1].verdict.finding is Finding.HARMFUL


async def test_a_harmless_version_without_users_goes_on_as_the_plan_says(tmp_path: Path):
    """
    What silence would have held is accepted where the plan accepts low traffic, with what it rests on.
    """
    async with stage(tmp_path, "0.1.12") as world:
        plan = planned(world, seconds=18, requests=[MATERIALS], writes="", rate=4)
        await opened(world, "0.1.12", plan)

        async def over() -> bool:
            state = await world.state(RELEASE)
            return world.hands.clock.now() > state.soaks["canary"].until + state.plan.telemetry.settle

        await watched(world.settings, until=over, limit=40)
        phase = plan.phase("canary")
        soak = (await world.state(RELEASE)).soaks["canary"]
        hands = replace(world.hands, clock=At(soak.until + plan.telemetry.settle))
        decision = await judge_phase(hands, RELEASE, phase, Judging())
        state, minutes = (
            await world.state(RELEASE),
            await world.hands.journal.ledger.minutes(RELEASE, SERVICE),
        )
        shown = verdict_markdown(state, state.verdict, minutes)
        strict = phase.model_copy(update={"low_traffic": LowTraffic.HOLD})

        assert state.verdict is not None
        assert state.verdict.synthetic
        assert decision is not None
        assert decision.action is Action.PROMOTE
        assert decision.accepted_low_traffic
        assert any("rests on synthetic requests" in reason.text for reason in decision.because)
        assert decide(strict, state.verdict, extended=0, approved=False).action is Action.ASK
        assert "Telemetry counted what their sender saw" in shown
        assert (await world.weights()) == {"0.1.11": 90, "0.1.12": 10}


async def test_they_stop_when_users_come_and_are_in_no_count_of_theirs(tmp_path: Path):
    """
    Both at once at the same endpoint: what is stored of users is what users sent, request by request.
    """
    async with stage(tmp_path, "0.1.12") as world:
        await opened(world, "0.1.12", planned(world, seconds=300, requests=[MATERIALS], writes="", rate=4))

        async def sending() -> bool:
            state = await world.state(RELEASE)
            return state.synthetic is not None and state.synthetic.sending

        async def stopped() -> bool:
            state = await world.state(RELEASE)
            return state.synthetic is not None and state.synthetic.because == "users send enough requests"

        began = await watched(world.settings, until=sending, limit=30)
        traffic = asyncio.create_task(world.traffic(seconds=30, rate=50))
        ended = await watched(world.settings, until=stopped, limit=30)
        traffic.cancel()
        state, users = await world.state(RELEASE), await world.hands.journal.ledger.minutes(RELEASE, SERVICE)

        assert began
        assert ended
        counted = Counter({version.id: 0 for version in (state.uploaded["production"], state.known_good)})
        for minute in users:
            for count in minute.counts:
                counted[count.version] += count.total
        others = served(world, users, ours=False)
        assert counted == {v: sum(n for (version, _), n in others.items() if version == v) for v in counted}
        assert sum(served(world, users, ours=True).values()) > 0
