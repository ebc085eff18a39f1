"""The second source of metrics in a release: it is compared, it may accuse, it never acquits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from phasegate.actions.crosscheck import cross_check
from phasegate.actions.outside import Outside
from phasegate.adapters.cloudflare import CloudflareClient, CloudflareTelemetry
from phasegate.domain.observation import Counts, Minute
from phasegate.domain.plan import CrossCheck, RolloutPlan
from phasegate.domain.sources import Invocations
from phasegate.edge.faults import Fault
from phasegate.keeper.watch import Watch
from phasegate.report.evidence import verdict_markdown
from tests.release.hands import kinds, pages
from tests.release.stage import SECOND, SERVICE, Stage, stage
from tests.release.test_keeper_takes_back import RELEASE, at_phase, open_only, opened

QUICK = CrossCheck(every=SECOND, settle=2 * SECOND, differ=10, at_least=50)
FIRST_DOWN = {"kind": "status", "status": 503, "match": {"path": "observability/telemetry"}}


def planned(world: Stage) -> RolloutPlan:
    plan = world.plan()
    return plan.model_copy(update={"telemetry": plan.telemetry.model_copy(update={"cross_check": QUICK})})


def only_error_rate(plan: RolloutPlan) -> RolloutPlan:
    """The same plan, where no health check is quicker than the counts."""
    phases = (
        phase.model_copy(
            update={"rollback": tuple(rule for rule in phase.rollback if rule.metric == "error-rate")}
        )
        for phase in plan.phases
    )
    return plan.model_copy(update={"phases": tuple(phases)})


@asynccontextmanager
async def impatient(world: Stage) -> AsyncIterator[Outside]:
    """Hands whose telemetry gives up within a second; the second source answers."""
    settings = world.settings
    client = CloudflareClient(settings.api_url, settings.account_id, settings.token, timeout=5.0, budget=0.5)
    yield replace(world.hands, metrics=CloudflareTelemetry(client))
    await client.close()


async def watched(world: Stage, *, seconds: int, compared: bool = False) -> None:
    """Look twice a second until the release is taken back or, if that is waited for, compared."""
    async with impatient(world) as hands:
        watch = Watch(hands)
        for _ in range(2 * seconds):
            await watch.look_at(RELEASE)
            await watch.finish()
            state = await world.state(RELEASE)
            if state.restored_at is not None or (compared and state.cross_checked is not None):
                return
            await asyncio.sleep(0.5)


async def test_while_telemetry_is_away_failing_invocations_take_the_version_back(tmp_path: Path):
    """
    Being blind in one eye is no reason to look away with the other.
    """
    async with stage(tmp_path, "0.1.13-crash") as world:
        plan = only_error_rate(planned(world))
        await open_only(world, "0.1.13-crash", plan)
        await at_phase(world, "0.1.13-crash", plan, "partial")
        world.edge.faults.add(Fault.read(FIRST_DOWN))
        traffic = asyncio.create_task(world.traffic(seconds=40, rate=75))

        await watched(world, seconds=40)
        traffic.cancel()
        state = await world.state(RELEASE)

        assert state.breach[0].rule == "second-source"
        assert "GraphQL" in state.breach[0].query
        assert state.restored_at is not None
        assert await world.weights() == {"0.1.11": 100}


async def test_the_second_source_never_proves_health(tmp_path: Path):
    """
    It sees no answer of 500 and no latency: while telemetry is away nothing is called healthy.
    """
    async with stage(tmp_path, "0.1.12") as world:
        await opened(world, "0.1.12", planned(world))
        world.edge.faults.add(Fault.read(FIRST_DOWN))
        traffic = asyncio.create_task(world.traffic(seconds=5, rate=60))

        await watched(world, seconds=5)
        await traffic
        state = await world.state(RELEASE)

        assert not state.aborting
        assert state.verdict is not None
        assert state.verdict.finding == "not enough evidence"
        assert "cross-checked" not in await kinds(world)


async def test_sources_that_agree_are_shown_side_by_side(tmp_path: Path):
    """
    Whoever answers a gate sees that the numbers were counted twice.
    """
    async with stage(tmp_path, "0.1.12") as world:
        await opened(world, "0.1.12", planned(world))
        traffic = asyncio.create_task(world.traffic(seconds=40, rate=60))

        await watched(world, seconds=40, compared=True)
        traffic.cancel()
        state = await world.state(RELEASE)
        minutes = await world.hands.journal.ledger.minutes(RELEASE, SERVICE)

        assert state.cross_checked is not None
        assert state.cross_checked.differences == ()
        assert sum(row.second.requests for row in state.cross_checked.rows) > 0
        assert "Both agree" in verdict_markdown(state, state.verdict, minutes)


@dataclass
class Other:
    """A source that counts half of the requests, as one does that has lost a data centre."""

    share: float

    async def count(
        self, worker: str, *, since: datetime, until: datetime
    ) -> tuple[tuple[Invocations, ...], str]:
        seconds = (until - since) / SECOND
        return tuple(
            Invocations(version=version, requests=round(self.share * seconds * 100), errors=0)
            for version in VERSIONS
        ), "by hand"


VERSIONS: list[str] = []


async def test_sources_that_disagree_are_told_and_shown(tmp_path: Path):
    """
    A person decides which is right before a gate is answered; it is told once for each phase.
    """
    async with stage(tmp_path, "0.1.12") as world:
        plan = planned(world)
        await opened(world, "0.1.12", plan)
        state = await world.state(RELEASE)
        VERSIONS[:] = [share.version for share in state.live.split.shares]
        hands = replace(world.hands, second=Other(0.5))
        await _stored(world, state.soaks["canary"].since, 4)

        for _ in range(2):
            await asyncio.sleep(0)
            state = await cross_check(later(hands), state, plan.phase("canary"))
        minutes = await world.hands.journal.ledger.minutes(RELEASE, SERVICE)

        assert state.cross_checked is not None
        assert len(state.cross_checked.differences) == 2
        assert sum("disagree" in page for page in await pages(world)) == 1
        assert (await kinds(world)).count("cross-checked") == 1
        assert "the second source" in verdict_markdown(state, None, minutes)
        assert "named no version" in verdict_markdown(state, None, minutes)


async def _stored(world: Stage, since: datetime, count: int) -> None:
    """Intervals of a hundred requests for each version, and five that named none."""
    start = since.replace(microsecond=0) + 3 * SECOND
    minutes = [
        Minute(
            start=start + number * SECOND,
            length=SECOND,
            counts=tuple(Counts(version=v, endpoint="/", total=100, errors=0) for v in VERSIONS),
            unattributed=5,
        )
        for number in range(count)
    ]
    await world.hands.journal.ledger.add_minutes(RELEASE, SERVICE, minutes)


@dataclass(frozen=True)
class Later:
    """A clock a quarter of a minute ahead: what was stored has settled."""

    clock: object

    def now(self) -> datetime:
        return self.clock.now() + timedelta(seconds=15)  # type: ignore[attr-defined,no-any-return]


def later(hands: Outside) -> Outside:
    return replace(hands, clock=Later(hands.clock))  # type: ignore[arg-type]
