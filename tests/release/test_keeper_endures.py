"""What must not stop the keeper: a release it cannot read, a channel that hangs, no telemetry."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from phasegate.actions.journal import Journal
from phasegate.actions.outside import Outside
from phasegate.actions.telling import tell
from phasegate.adapters.clock import SystemClock
from phasegate.adapters.cloudflare import CloudflareClient, CloudflareTelemetry
from phasegate.domain.criteria import Level
from phasegate.domain.events import Candidate, Ended, Opened, Outcome
from phasegate.domain.versions import LiveSplit, Split, Version
from phasegate.edge.faults import Fault
from phasegate.keeper import loop
from phasegate.keeper.loop import Keeper
from phasegate.keeper.watch import Watch
from phasegate.wiring import outside
from tests.loopback import Reply, serve
from tests.release.stage import Stage, stage
from tests.release.test_keeper_takes_back import RELEASE, opened, watched


async def test_a_release_that_cannot_be_read_leaves_the_others_watched(tmp_path: Path):
    """
    A plan that this phasegate does not understand any more ends neither the keeper nor its other work.
    """
    async with stage(tmp_path, "0.1.13-errors") as world:
        await world.hands.journal.ledger.open("old-1", _opened("old"), by="test", at=world.hands.clock.now())
        await opened(world, "0.1.13-errors", world.plan())
        traffic = asyncio.create_task(world.traffic(seconds=40, rate=50))

        taken_back = await watched(world.settings, until=lambda: _back(world), limit=40)
        traffic.cancel()

        assert taken_back


async def test_a_release_that_cannot_be_read_pages(tmp_path: Path):
    """
    Its plan cannot say whom to tell, so every configured channel is told, each once.
    """
    told: list[bytes] = []

    def answer(method: str, path: str, body: bytes) -> Reply:
        told.append(body)
        return Reply(200, "ok")

    async with serve(answer) as channel, stage(tmp_path) as world:
        settings = world.settings.model_copy(update={"channels": {"slack": channel.url}})
        await world.hands.journal.ledger.open("old-1", _opened("old"), by="test", at=world.hands.clock.now())
        for _ in range(2):
            async with outside(settings, role="keeper") as hands:
                keeper = Keeper(hands, "k1")
                await keeper.tick()
                await keeper.tick()
        rows = await world.hands.journal.ledger.events("old-1")

        assert len(told) == 1
        assert b"old-1" in told[0]
        assert [row.event.kind for row in rows].count("notice") == 1


async def test_health_is_asked_while_telemetry_is_away(tmp_path: Path):
    """
    Without counts the health check is all that is left to see harm, so it is not left out.
    """
    async with stage(tmp_path, "0.1.13-health") as world:
        await opened(world, "0.1.13-health", world.plan())
        world.edge.faults.add(Fault.read({"kind": "telemetry_down"}))
        traffic = asyncio.create_task(world.traffic(seconds=30, rate=75))

        async with impatient(world) as hands:
            watch = Watch(hands)
            for _ in range(40):
                await watch.look_at(RELEASE)
                if (await world.state(RELEASE)).aborting:
                    break
                await asyncio.sleep(0.5)
        traffic.cancel()
        state = await world.state(RELEASE)

        assert state.breach
        assert state.breach[0].criterion == "health"
        assert await _back(world)


@asynccontextmanager
async def impatient(world: Stage) -> AsyncIterator[Outside]:
    """Hands whose telemetry gives up within a second."""
    settings = world.settings
    client = CloudflareClient(settings.api_url, settings.account_id, settings.token, timeout=5.0, budget=1.0)
    yield replace(world.hands, metrics=CloudflareTelemetry(client))
    await client.close()


async def test_the_candidate_is_probed_as_often_as_the_plan_says(tmp_path: Path):
    """
    "3 in a row" is a time only when health is asked at the plan's pace, however short the tick is.
    """
    async with stage(tmp_path, "0.1.12") as world:
        plan = world.plan()
        slow = plan.model_copy(update={"health": plan.health.model_copy(update={"every": 60 * plan.tick})})
        await opened(world, "0.1.12", slow)

        async def looked_often() -> bool:
            await world.hands.clock.sleep(4 * plan.tick)
            return True

        await watched(world.settings, until=looked_often, limit=10)
        probes = await world.hands.journal.ledger.probes(RELEASE)

        assert len(probes) == 1


async def test_a_channel_that_hangs_delays_no_other_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """
    Telling people about one release takes as long as it takes; the others are looked at meanwhile.
    """
    monkeypatch.setattr(loop, "PARTING", 1.0)
    async with serve(lambda method, path, body: Reply(200, "ok", after=60)) as slow:  # noqa: SIM117
        async with stage(tmp_path, "0.1.13-errors") as world:
            settings = world.settings.model_copy(update={"channels": {"slack": slow.url}})
            plan = world.plan(channels=dict.fromkeys(Level, ("slack",)))
            other = _opened("other").model_copy(update={"plan": plan.model_dump(mode="json")})
            await world.hands.journal.ledger.open("other-1", other, by="test", at=world.hands.clock.now())
            for once in "abcdef":
                await tell(
                    world.hands, "other-1", level=Level.CRITICAL, subject="loud", text="words", once=once
                )
            await opened(world, "0.1.13-errors", world.plan())
            traffic = asyncio.create_task(world.traffic(seconds=45, rate=50))

            taken_back = await watched(settings, until=lambda: _back(world), limit=40)
            traffic.cancel()

            assert taken_back


async def test_a_notice_is_delivered_although_its_release_has_ended(tmp_path: Path):
    """
    The last notice says how the release ended; a channel that was away at that moment gets it later.
    """
    answers = iter([Reply(503, "away")] * 4)
    async with serve(lambda method, path, body: next(answers, Reply(200, "ok"))) as channel:  # noqa: SIM117
        async with stage(tmp_path, "0.1.12") as world:
            settings = world.settings.model_copy(update={"channels": {"slack": channel.url}})
            await opened(world, "0.1.12", world.plan(channels=dict.fromkeys(Level, ("slack",))))
            async with outside(settings, role="keeper") as hands:
                keeper, stop = Keeper(hands, "k1"), asyncio.Event()
                running = asyncio.create_task(keeper.run(stop))
                await tell(hands, RELEASE, level=Level.INFO, subject="over", text="it is over", once="end")
                ended = Ended(outcome=Outcome.REFUSED, summary="over")
                await world.hands.journal.record(RELEASE, lambda s: ended)
                told = await _told(world, limit=25)
                stop.set()
                await running

            assert told


async def test_a_notice_of_an_ended_release_is_found_by_a_fresh_keeper(tmp_path: Path):
    """
    The outbox is in the ledger, so a keeper that was started later delivers it too.
    """
    async with serve(lambda method, path, body: Reply(200, "ok")) as channel, stage(tmp_path) as world:
        settings = world.settings.model_copy(update={"channels": {"slack": channel.url}})
        plan = world.plan(channels=dict.fromkeys(Level, ("slack",)))
        event = _opened("other").model_copy(update={"plan": plan.model_dump(mode="json")})
        await world.hands.journal.ledger.open(RELEASE, event, by="test", at=world.hands.clock.now())
        await tell(world.hands, RELEASE, level=Level.INFO, subject="over", text="it is over", once="end")
        ended = Ended(outcome=Outcome.REFUSED, summary="over")
        await world.hands.journal.record(RELEASE, lambda s: ended)

        told = await watched(settings, until=lambda: _delivered(world), limit=10)

        assert told


async def _told(world: Stage, *, limit: float) -> bool:
    try:
        async with asyncio.timeout(limit):
            while not await _delivered(world):  # noqa: ASYNC110 - the ledger is asked
                await asyncio.sleep(0.1)
    except TimeoutError:
        return False
    return True


async def _delivered(world: Stage) -> bool:
    journal = Journal(world.hands.journal.ledger, SystemClock(), driver="test")
    return (await journal.state(RELEASE)).undelivered == ()


async def _back(world: Stage) -> bool:
    return (await world.weights()) == {"0.1.11": 100}


def _opened(service: str) -> Opened:
    split = Split.whole("11111111-1111-1111-1111-111111111111")
    return Opened(
        service=service,
        plan={"name": "of-another-time"},
        plan_digest="0" * 64,
        candidate=Candidate(version="22222222-2222-2222-2222-222222222222"),
        known_good=Version(id=split.shares[0].version),
        live=LiveSplit(id="d1", split=split),
        reason="a test",
        requested_by="ada",
    )
