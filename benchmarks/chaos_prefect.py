"""
Kill a run's process, its worker, both as a lost host does, or the Prefect server, at the points of a release.

Server, worker, keeper, edge and PostgreSQL are real and stay the same for the whole table; what was
killed is started again. A run stops itself at its point (SIGSTOP) until the other process is dead, so
that one kill serves several releases. The points are named by a release that nobody disturbs.
"""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.hosts import SERVER, Hosts, engine, hosts, stopped
from phasegate.actions.outside import Outside
from phasegate.domain.bundle import Bundle
from phasegate.domain.events import Driven
from phasegate.domain.plan import Environment
from phasegate.faultpoint import KILL_AT, POINTS_TO, STOP_AT
from phasegate.wiring import outside, read_bundle
from tests.e2e.small_workers import users, write
from tests.release.kill_cell import faults

WHO = ("run", "worker", "host", "server")
VERSIONS = ("good", "bad")
PLAN = "kill"
AT_ONCE = 5
READINGS = 2
LIMIT = 300.0
# Looks in a row, three in a second, at which a killed run has opened nothing.
SURE = 30
UNTOUCHED = "nothing was begun"
REACH = 120.0
# Looks, five in a second.
AFTER = 25


@dataclass(frozen=True)
class Cell:
    """Who is killed when a run of a good or bad release reaches a point for the *nth* time."""

    who: str
    version: str
    point: str = ""
    nth: int = 1

    @property
    def env(self) -> dict[str, str]:
        """What arms the first run of the release; those that go on with it are not armed."""
        if not self.point:
            return {}
        return {KILL_AT if self.who == "run" else STOP_AT: f"{self.point}#{self.nth}"}


@dataclass(frozen=True)
class Playing:
    """A cell whose release was started; *began* in seconds of ``time.monotonic``."""

    cell: Cell
    service: str
    run: str
    began: float

    @property
    def release(self) -> str:
        """The release's name."""
        return f"{self.service}-{self.run[:8]}"


@dataclass(frozen=True)
class Done:
    """What became of a cell; *seconds* from the start of the first run, *runs* how many drove it."""

    cell: Cell
    reached: bool
    outcome: str
    runs: int
    seconds: float
    faults: tuple[str, ...]

    def __str__(self) -> str:
        cell = self.cell
        where = f"{cell.point}#{cell.nth}" if cell.point else "nothing is killed"
        end = "; ".join(self.faults) or f"{self.outcome}{'' if self.reached else ' (point not reached)'}"
        return f"{cell.who:<7} {cell.version:<5} {where:<46} {self.seconds:4.0f} s  {self.runs} runs  {end}"


@dataclass
class Table:
    """The house in which every cell is played."""

    house: Hosts
    hands: Outside
    places: dict[str, Path]
    bundles: dict[str, Bundle]
    played: int = 0
    users: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def points(self, version: str) -> list[tuple[str, int]]:
        """Name and how often for every point that the run of an undisturbed release reaches, in order."""
        file = self.house.home / f"points-{version}"
        begun = await self._begin(Cell("nobody", version), {POINTS_TO: str(file)})
        done = await self._finish(begun, reached=True)
        print(done, flush=True)
        if done.faults:
            raise RuntimeError("a release that nobody disturbs is not right")
        return list(_counted(file.read_text().splitlines()))

    async def play(self, cells: list[Cell]) -> list[Done]:
        """Play a few cells of one kind side by side."""
        begun = await asyncio.gather(*(self._begin(cell, cell.env) for cell in cells))
        if cells[0].who == "run":
            return await asyncio.gather(*(self._finish(one) for one in begun))
        pids = await asyncio.gather(*(self._reach(one) for one in begun))
        finishing = [
            asyncio.create_task(self._finish(one, reached=pid is not None))
            for one, pid in zip(begun, pids, strict=True)
        ]
        await self._strike(cells[0].who, [pid for pid in pids if pid is not None])
        return await asyncio.gather(*finishing)

    async def _begin(self, cell: Cell, env: dict[str, str]) -> Playing:
        self.played += 1
        service = f"killed-{self.played}"
        await self.hands.target.create(
            service, self.bundles["first"], environment=Environment.PRODUCTION, release="first"
        )
        self.users[service] = asyncio.create_task(users(service, self.house.edge.front_port))
        began = time.monotonic()
        run = await asyncio.to_thread(
            self.house.release, service, plan=PLAN, bundle=self.places[cell.version], env=env
        )
        return Playing(cell, service, run, began)

    async def _reach(self, one: Playing) -> int | None:
        """Wait until the run has stopped itself; its process, None when the release ended without that."""
        ended = 0
        # Some points come after the end of the release.
        while time.monotonic() < one.began + REACH and ended < AFTER:
            pid = await asyncio.to_thread(engine, one.run)
            if pid is not None and stopped(pid):
                return pid
            ended += await self._ended(one)
            await asyncio.sleep(0.2)
        return None

    async def _strike(self, who: str, pids: list[int]) -> None:
        victim = SERVER if who == "server" else "worker"
        self.house.kill(victim)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if who == "host" else signal.SIGCONT)
        self.house.start(victim)
        if victim == SERVER:
            await asyncio.to_thread(self.house.wait_for_server)

    async def _finish(self, one: Playing, *, reached: bool = False) -> Done:
        begun = await self._over(one)
        seconds = time.monotonic() - one.began
        self.users.pop(one.service).cancel()
        if not begun:
            return Done(one.cell, True, UNTOUCHED, 0, seconds, await self._touched(one))
        rows = await self.hands.journal.ledger.events(one.release)
        runs = len({row.event.run for row in rows if isinstance(row.event, Driven)})
        outcome, found = await faults(
            self.hands, self.house.edge, one.release, one.service, version=one.cell.version
        )
        reached = reached or (one.cell.who == "run" and await self._killed(one))
        return Done(one.cell, reached, outcome, runs, seconds, found)

    async def _over(self, one: Playing) -> bool:
        """Wait for the release's end; False when its run was killed before it had opened the release."""
        gone = 0
        while time.monotonic() < one.began + LIMIT and gone < SURE:
            rows = await self.hands.journal.ledger.events(one.release)
            if any(row.event.kind == "ended" for row in rows):
                return True
            lost = not rows and one.cell.who in ("run", "host") and await self._killed(one)
            gone = gone + 1 if lost else 0
            await asyncio.sleep(0.3)
        return gone < SURE

    async def _killed(self, one: Playing) -> bool:
        """Whether the first run's process is gone although its run had begun."""
        async with httpx.AsyncClient(base_url=self.house.api, timeout=30) as client:
            state = (await client.get(f"/flow_runs/{one.run}")).raise_for_status().json()["state_type"]
        gone = await asyncio.to_thread(engine, one.run) is None
        return gone and (state == "CRASHED" or (state == "RUNNING" and one.cell.who == "host"))

    async def _touched(self, one: Playing) -> tuple[str, ...]:
        """What a run that had opened nothing has done all the same; the service's Workers are deleted."""
        history = self.house.edge.get(f"workers/scripts/{one.service}/deployments")["deployments"]
        versions = await self.hands.target.versions(one.service)
        await self.hands.target.delete(one.service)
        found = [f"{len(history)} splits", f"{len(versions)} versions"]
        return () if (len(history), len(versions)) == (1, 1) else (f"not opened, but {', '.join(found)}",)

    async def _ended(self, one: Playing) -> bool:
        rows = await self.hands.journal.ledger.events(one.release)
        return any(row.event.kind == "ended" for row in rows)


def _counted(names: list[str]) -> Iterator[tuple[str, int]]:
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        if not _reads(name) or seen[name] <= READINGS:
            yield name, seen[name]


def _reads(name: str) -> bool:
    return " GET " in name or name.endswith(("/query", "/graphql"))


def evenly(points: list[tuple[str, int]], most: int, *, who: str) -> list[tuple[str, int]]:
    """At most so many points (0: all), spread over the whole release; others for each victim."""
    if not most or len(points) <= most:
        return points
    first = (WHO.index(who) + 0.5) / len(WHO)
    return [points[int((number + first) * len(points) / most)] for number in range(most)]


@asynccontextmanager
async def _table(house: Hosts) -> AsyncIterator[Table]:
    settings = house.settings()
    places = {tag: write(house.home / tag, tag, sick=tag == "bad") for tag in ("first", *VERSIONS)}
    bundles = {tag: read_bundle(settings, str(place)) for tag, place in places.items()}
    house.start(SERVER)
    house.wait_for_server()
    house.start("keeper")
    house.deploy("release", "rollback")
    house.start("worker")
    async with outside(settings, role="bench") as hands:
        yield Table(house, hands, places, bundles)


async def _played(house: Hosts, most: int) -> int:
    faulty, began = 0, time.monotonic()
    async with _table(house) as table:
        reached = {version: await table.points(version) for version in VERSIONS}
        cells = [
            [
                Cell(who, version, *point)
                for version, found in reached.items()
                for point in evenly(found, most, who=who)
            ]
            for who in WHO
        ]
        for kind in cells:
            for first in range(0, len(kind), AT_ONCE):
                for done in await table.play(kind[first : first + AT_ONCE]):
                    faulty += bool(done.faults)
                    print(done, flush=True)
    played, every = sum(map(len, cells)), len(WHO) * sum(map(len, reached.values()))
    took = (time.monotonic() - began) / 60
    print(f"{played} of {every} cells played in {took:.0f} minutes, {faulty} not as they must be")
    return 1 if faulty else 0


def main(most: int) -> int:
    """Print the table with at most so many points (0: all) of each version; 1 when a cell is not right."""
    # Told to end, it ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with (
        tempfile.TemporaryDirectory(prefix="phasegate-prefect-") as folder,
        hosts(Path(folder), wait_in_place="60s") as house,
    ):
        return asyncio.run(_played(house, most))
