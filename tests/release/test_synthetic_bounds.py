"""What the keeper sends by itself is bounded in count and time, by one keeper, and delays no look."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from phasegate.actions.collecting import floor
from phasegate.actions.journal import Journal
from phasegate.actions.marking import synthetic_name
from phasegate.actions.outside import Outside
from phasegate.actions.synthesizing import send_interval
from phasegate.domain.events import AbortAsked, Acted, Driven, Intended, PhaseBegan, Soaking, Uploaded
from phasegate.domain.observation import Counts, Minute, Probe
from phasegate.domain.plan import Environment, Synthetic
from phasegate.domain.synthetic import SyntheticRequest
from phasegate.domain.versions import Split
from phasegate.keeper.watch import Watch
from tests.ledger_cases import CANARY, SERVICE, STABLE, T0
from tests.release.model_platform import ModelTarget, Outages, Platform, Process
from tests.release.paper import RELEASE, paper_release
from tests.release.standins import Alive, Plain, SteadyMetrics, Well

pytestmark = pytest.mark.patient

MINUTE = timedelta(minutes=1)
OURS = (Counts(version=CANARY.id, endpoint="GET /a", total=6, errors=0),)
RULE = {"requests": [{"path": "/a"}, {"path": "/b"}], "rate": 0.1, "ceiling": 10_000, "limit": "2h"}


@dataclass
class Leaping:
    """Time that passes when somebody sleeps, and only then."""

    time: datetime

    def now(self) -> datetime:
        """The latest time that anybody slept to."""
        return self.time

    async def sleep(self, duration: timedelta) -> None:
        """Be there at once, after everybody else had a turn."""
        wakes = self.time + max(duration, timedelta(0))
        await asyncio.sleep(0)
        self.time = max(self.time, wakes)


@dataclass
class Asked(Well):
    """A service that answers synthetic requests as the asked version, unless told otherwise."""

    answers: list[str] = field(default_factory=list)
    hang: bool = False
    as_version: str = ""

    async def ask(self, url: str, request: SyntheticRequest, *, within: timedelta, overrides: str) -> Probe:
        """Remember what was asked; a service that hangs does not even keep its limit."""
        version = overrides.partition('"')[2].rstrip('"')
        self.answers.append(f"{version} {request.path}")
        if self.hang:
            await asyncio.Event().wait()
        served_by = self.as_version or version
        return Probe(at=self.clock.now(), ok=True, url=url, status=request.status, served_by=served_by)


@dataclass
class Recognised:
    """A source that counts *own* requests of ours in each interval."""

    own: tuple[Counts, ...]

    async def marked(self, worker: str, *, since: datetime, until: datetime, cuts: tuple[int, ...]) -> Minute:
        """The same in each."""
        return Minute(start=since, length=until - since, counts=self.own)


@dataclass
class World:
    """A release half-way through its canary, on paper; nobody uses the service."""

    hands: Outside
    checks: Asked
    metrics: SteadyMetrics
    clock: Leaping
    platform: Platform

    async def sent(self) -> tuple[Minute, ...]:
        """What is stored of synthetic requests."""
        return await self.hands.journal.ledger.minutes(RELEASE, synthetic_name(SERVICE))

    async def interval(self, hands: Outside | None = None) -> bool:
        """Send in the next interval."""
        hands = hands or self.hands
        start = floor(self.clock.now(), MINUTE) + MINUTE
        await self.clock.sleep(start - self.clock.now())
        state = await hands.journal.state(RELEASE)
        return await send_interval(hands, state, state.plan.phase("canary"), start=start)

    def other(self) -> Outside:
        """The hands of a second keeper."""
        return replace(self.hands, journal=Journal(self.hands.journal.ledger, self.clock, driver="second"))

    async def said(self) -> list[tuple[bool, str]]:
        """Whether they were sent, each time that it changed, and why."""
        rows = await self.hands.journal.ledger.events(RELEASE)
        told = [row.event for row in rows if row.event.kind == "synthetic-sending"]
        return [(event.sending, event.because) for event in told]


@asynccontextmanager
async def world(home: Path, *, known: int = 60, marks: bool = True, **rule: Any) -> AsyncIterator[World]:
    """
    Half an hour of the soak is over and so many minutes of it are *known*: not one user comes.

    The source knows our *marks* or knows them not.
    """
    synthetic = Synthetic.model_validate({**RULE, **rule})
    async with paper_release(home, synthetic=synthetic) as (paper, _):
        clock = Leaping(T0 + timedelta(hours=2))
        platform = Platform(clock)
        platform.uploaded[SERVICE] = {"v1": STABLE, "v2": CANARY}
        platform.put(SERVICE, Split.whole(STABLE.id), "the first version")
        split = Split.between(STABLE.id, CANARY.id, canary_weight=10)
        live = platform.put(SERVICE, split, f"phasegate {RELEASE}: canary")
        target = ModelTarget(platform, Process("keeper"), Outages({}))
        checks, metrics = Asked(clock), SteadyMetrics(target, requests=0)
        soak = Soaking(phase="canary", since=clock.now() - 30 * MINUTE, until=clock.now() + 60 * MINUTE)
        for event in (
            Driven(run="a run"),
            Uploaded(environment=Environment.PRODUCTION, version=CANARY),
            PhaseBegan(phase="canary"),
            Intended(id="i", worker=SERVICE, split=split, was="before", because="test", fence=0),
            Acted(intent="i", worker=SERVICE, live=live),
            soak,
        ):
            at = clock.now() - 31 * MINUTE
            await paper.journal.ledger.append(RELEASE, event, by="test", at=at, expected=None)
        changed: dict[str, Any] = {
            "journal": Journal(paper.journal.ledger, clock, driver="first"),
            "clock": clock,
            "target": target,
            "metrics": metrics,
            "checks": checks,
            "runs": Alive(),
            "pictures": Plain(),
            "marked": Recognised(OURS),
        }
        hands = replace(paper, **changed)
        start = floor(soak.since, MINUTE)
        own = OURS if marks else ()
        empty = [Minute(start=start + at * MINUTE, length=MINUTE, own=own) for at in range(known)]
        await hands.journal.ledger.add_minutes(RELEASE, SERVICE, empty)
        yield World(hands, checks, metrics, clock, platform)


async def test_both_versions_are_asked_the_same_and_equally_often(tmp_path: Path):
    """
    A comparison needs a control: six a minute to each, in turn.
    """
    async with world(tmp_path) as paper:
        assert await paper.interval()
        (minute,) = await paper.sent()

    assert minute.synthetic
    assert Counter(paper.checks.answers) == {
        f"{version.id} {path}": 3 for version in (STABLE, CANARY) for path in ("/a", "/b")
    }
    assert (minute.total(CANARY.id), minute.total(STABLE.id)) == (6, 6)
    assert "12 answers named their version" in minute.query


async def test_of_two_keepers_one_sends(tmp_path: Path):
    """
    Whoever has the interval's lease; the other one sends nothing and waits for nothing.
    """
    async with world(tmp_path) as paper:
        sent = await asyncio.gather(paper.interval(), paper.interval(paper.other()))

        assert sorted(sent) == [False, True]
        assert len(paper.checks.answers) == 12
        assert len(await paper.sent()) == 1


async def test_the_ceiling_holds_also_for_what_a_crashed_keeper_sent(tmp_path: Path):
    """
    An interval whose sender died is in no count; the fence of its lease remembers it.
    """
    async with world(tmp_path, ceiling=30) as paper:
        await paper.interval()
        name = f"{RELEASE}/canary/{synthetic_name(SERVICE)}"
        ledger = paper.hands.journal.ledger
        crashed = await ledger.take(name, holder="crashed", ttl=MINUTE, now=paper.clock.now())
        await ledger.give_back(crashed)

        after = [await paper.interval() for _ in range(2)]

        assert after == [False, False]
        assert len(paper.checks.answers) == 12


async def test_the_ceiling_is_told_once(tmp_path: Path):
    """
    That nothing more is sent is an event with its reason, and not one for each interval.
    """
    async with world(tmp_path, ceiling=30) as paper:
        sent = [await paper.interval() for _ in range(4)]

        assert sent == [True, True, False, False]
        assert await paper.said() == [
            (True, "the canary has served no requests of users for 5m"),
            (False, "the ceiling of 30 requests is reached"),
        ]


async def test_the_limit_ends_it(tmp_path: Path):
    """
    A phase that waits for days does not ask for days.
    """
    async with world(tmp_path, limit="1m") as paper:
        sent = [await paper.interval() for _ in range(3)]

        assert sent == [True, False, False]
        assert (await paper.said())[-1] == (False, "the limit of 1m is over")


async def test_an_answer_of_the_other_version_counts_for_neither(tmp_path: Path):
    """
    An override that the platform ignores would make the control's answers the canary's.
    """
    async with world(tmp_path) as paper:
        paper.checks.as_version = STABLE.id

        await paper.interval()
        (minute,) = await paper.sent()

    assert (minute.total(CANARY.id), minute.total(STABLE.id)) == (0, 6)
    assert minute.unattributed == 6


async def test_a_release_that_is_called_off_meanwhile_is_asked_nothing(tmp_path: Path):
    """
    Whoever was about to send still has the state from before; each request looks at the newest one.
    """
    async with world(tmp_path) as paper:
        before = await paper.hands.journal.state(RELEASE)
        await paper.hands.journal.record(RELEASE, lambda _: AbortAsked(by="ada", reason="wrong prices"))
        start = floor(paper.clock.now(), MINUTE) + MINUTE
        paper.clock.time = start

        sent = await send_interval(paper.hands, before, before.plan.phase("canary"), start=start)

        assert not sent
        assert paper.checks.answers == []


async def test_a_source_that_does_not_recognise_them_ends_it(tmp_path: Path):
    """
    Ours would count as users, so after the first interval no more are sent.
    """
    async with world(tmp_path, marks=False) as paper:
        sent = [await paper.interval() for _ in range(3)]

        assert sent == [True, False, False]
        assert (await paper.said())[-1] == (False, "telemetry cannot tell them from the requests of users")


async def test_a_service_that_hangs_delays_no_look(tmp_path: Path):
    """
    Every synthetic request hangs for ever; users begin to fail; the look that sees it takes it back.
    """
    async with world(tmp_path, known=30) as paper:
        paper.checks.hang = True
        watch, looks, exposed = Watch(paper.hands), 0, True
        while exposed and looks < 200:
            async with asyncio.timeout(5):
                await watch.look_at(RELEASE)
            if paper.checks.answers:
                paper.metrics.requests, paper.metrics.rates = 6000, {"v2": 0.5}
            state = await paper.hands.journal.state(RELEASE)
            exposed = paper.platform.newest(SERVICE).split.weight(CANARY.id) > 0
            assert not (exposed and state.aborting)
            paper.clock.time += state.plan.tick
            looks += 1
        await watch.finish()

    assert paper.checks.answers
    assert not exposed
    assert state.breach[0].rule == "absolute-limit"
