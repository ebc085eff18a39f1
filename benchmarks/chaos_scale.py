"""How many active releases one keeper watches: 500 in soak at the default tick, over a real ledger."""

import asyncio
import resource
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from benchmarks.figures import Figure
from phasegate.adapters.clock import SystemClock
from phasegate.domain.events import Acted, Candidate, Driven, Intended, PhaseBegan, Soaking, Uploaded
from phasegate.domain.plan import Environment
from phasegate.domain.sources import Invocations
from phasegate.domain.versions import LiveSplit, Split, Version
from phasegate.keeper.loop import Keeper
from phasegate.ports import Target
from phasegate.settings import Settings
from phasegate.wiring import outside
from tests.ledger_cases import opened
from tests.postgres import cluster, programs_of_postgres
from tests.release.model_platform import ModelClock, ModelTarget, Outages, Platform, Process
from tests.release.standins import REQUESTS, Asleep, Plain, SteadyMetrics, Well

RELEASES = 500
# More than an interval of a minute: its end brings work for every release at once.
MEASURED, WARM, LIMIT = 65.0, 10.0, 240.0
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Agreeing:
    """A second source of metrics that counts what the steady first one counts."""

    target: Target

    async def count(
        self, worker: str, *, since: datetime, until: datetime
    ) -> tuple[tuple[Invocations, ...], str]:
        """As many requests of each version as the intervals of the time hold."""
        live = await self.target.live(worker)
        shares = [share for share in live.split.shares if share.weight > 0] if live else []
        each = REQUESTS * (until - since) / MINUTE / 100
        found = [
            Invocations(version=one.version, requests=round(each * one.weight), errors=0) for one in shares
        ]
        return tuple(found), "steady"


def figures() -> tuple[Figure, ...]:
    """CPU, memory and the age of the oldest look while 500 releases soak."""
    found: tuple[Figure, ...] = ()
    with tempfile.TemporaryDirectory(prefix="phasegate-scale-") as folder:
        home = Path(folder)
        found += asyncio.run(_figures("SQLite", str(home / "ledger.db"), home))
        if (programs := programs_of_postgres()) is not None:
            with cluster(programs, durable=True) as server:
                found += asyncio.run(_figures("PostgreSQL", server.database(), home))
    return found


async def _figures(kind: str, ledger: str, home: Path) -> tuple[Figure, ...]:
    settings = Settings(ledger=ledger, project=home, account_id="bench", token=SecretStr("unused"))
    clock = SystemClock()
    platform = Platform(ModelClock(clock.now()))
    target = ModelTarget(platform, Process("bench"), Outages({}))
    async with outside(settings, role="bench") as real:
        changed: dict[str, Any] = {
            "target": target,
            "metrics": SteadyMetrics(target),
            "second": Agreeing(target),
            "checks": Well(clock),
            "runs": Asleep(),
            "pictures": Plain(),
        }
        hands = replace(real, **changed)
        for number in range(RELEASES):
            await _soaking(hands, platform, f"service-{number}")
        keeper, stop = Keeper(hands, "bench"), asyncio.Event()
        running = asyncio.create_task(keeper.run(stop))
        # The first looks find everything cold; what is measured is the steady state.
        cold = time.monotonic()
        while len(keeper._due) < RELEASES or max(keeper.health().told["releases"].values()) > WARM:
            if time.monotonic() - cold > LIMIT:
                raise RuntimeError(
                    f"{RELEASES} releases were not looked at within {WARM:g} s, after {LIMIT:g} s"
                )
            await asyncio.sleep(0.5)
        cold = time.monotonic() - cold
        cpu, began = time.process_time(), time.monotonic()
        oldest = 0.0
        while time.monotonic() - began < MEASURED:
            await asyncio.sleep(0.5)
            oldest = max(oldest, *keeper.health().told["releases"].values())
        share = (time.process_time() - cpu) / (time.monotonic() - began)
        stop.set()
        await running
    memory = await asyncio.to_thread(_memory)
    part = f"one keeper, {RELEASES} releases in soak at a tick of 5 s, {kind}, without the platform's answers"
    return (
        Figure(part, "CPU, share of one core", 100 * share, "%"),
        Figure(part, "CPU for one look", 1000 * share * 5 / RELEASES, "ms"),
        Figure(part, "oldest look of any release", oldest, "s"),
        Figure(part, "a fresh keeper, until every release is looked at in time", cold, "s"),
        Figure(part, "memory", memory, "MB"),
    )


def _memory() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


async def _soaking(hands: Any, platform: Platform, service: str) -> None:
    ledger, now, release = hands.journal.ledger, hands.clock.now(), f"{service}-1"
    stable = platform.version(service, "stable", "v1")
    canary = platform.version(service, "canary", "v2")
    platform.put(service, Split.whole(stable.id), "first")
    split = Split.between(stable.id, canary.id, canary_weight=10)
    live = platform.put(service, split, f"phasegate {release}")
    first = LiveSplit(id="d0", split=Split.whole(stable.id))
    event = opened(service=service, known_good=Version(id=stable.id, tag="v1"), live=first)
    event = event.model_copy(update={"candidate": Candidate(version=canary.id, tag="v2")})
    await ledger.open(release, event, by="bench", at=now - HOUR)
    intent = Intended(id="i", worker=service, split=split, was="d0", because="bench", fence=0)
    events = (
        Driven(run="a run"),
        Uploaded(environment=Environment.PRODUCTION, version=canary),
        PhaseBegan(phase="canary"),
        intent,
        Acted(intent="i", worker=service, live=live),
        Soaking(phase="canary", since=now - HOUR, until=now + HOUR),
    )
    for event in events:
        await ledger.append(release, event, by="bench", at=now - HOUR, expected=None)
