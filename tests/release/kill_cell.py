"""One release on a real edge whose driver, keeper or edge is killed at one point, and what became of it."""

import asyncio
import json
import os
import signal
import time
import traceback
import uuid
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from phasegate import faultpoint
from phasegate.actions.outside import Outside
from phasegate.domain.bundle import Bundle, Module
from phasegate.domain.events import Outcome
from phasegate.domain.ledger import ReleaseState, replay
from phasegate.domain.plan import Environment, RolloutPlan
from phasegate.keeper.loop import Keeper
from phasegate.settings import Settings
from phasegate.wiring import outside, read_plan
from tests.release.driver import Driver, wait_in_place
from tests.release.edge_process import EdgeProcess
from tests.release.laws import broken_laws
from tests.release.standins import Alive, FastClock, Heard, Plain, SteadyMetrics, Well

ROOT = Path(__file__).resolve().parent.parent.parent
RATES = {"bad": 0.08}
LIMIT = 60.0
WORKER = b"""
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})
"""


@dataclass(frozen=True)
class Cell:
    """Who is killed (``driver``, ``keeper``, ``edge``, ``nobody``), in a good or bad release, and where."""

    who: str
    version: str
    point: str = ""
    nth: int = 1
    by: str = "driver"


@dataclass(frozen=True)
class Outcomes:
    """What became of one cell: ``faults`` is empty when everything was as it must be."""

    cell: Cell
    killed: bool
    outcome: str
    faults: tuple[str, ...]
    seconds: float


def bundle(tag: str) -> Bundle:
    """The smallest Worker there is, under a tag."""
    metadata = {
        "main_module": "main.py",
        "compatibility_date": "2026-02-15",
        "bindings": [],
        "annotations": {"workers/tag": tag},
    }
    module = Module(name="main.py", content_type="text/x-python", data=WORKER + f"\n# {tag}\n".encode())
    return Bundle(modules=(module,), metadata=dict.fromkeys(Environment, metadata))


@cache
def plan() -> RolloutPlan:
    """Short soaks, one gate with one role, no programs to run."""
    plan = read_plan(Settings(project=ROOT), str(ROOT / "tests" / "e2e" / "plans" / "quick.yaml"))
    # A machine that runs tests may be slow, and fast time makes it slower: questions wait long.
    limit = {"limit": timedelta(minutes=5)}
    phases = [phase.model_copy(update={"hold": phase.hold.model_copy(update=limit)}) for phase in plan.phases]
    gate = phases[0].hold.model_copy(update={"name": "go"})
    staging = phases[0].model_copy(update={"gate": gate})
    return plan.model_copy(update={"phases": (staging, *phases[1:])})


@dataclass
class Place:
    """Where one cell plays: its edge, its service, its ledger, its clock."""

    cell: Cell
    edge: EdgeProcess
    service: str
    home: Path
    clock: FastClock
    record: Path | None = None
    ledger: str = ""

    @property
    def release(self) -> str:
        """The release's name."""
        return f"{self.service}-1"

    @asynccontextmanager
    async def hands(self, role: str):
        """Adapters for the real edge and ledger, with fast time and steady counts."""
        settings = self.edge.settings(ledger=self.ledger or str(self.home / "ledger.db"))
        async with outside(settings, role=role) as hands:
            hands.journal.clock = self.clock
            yield replace(
                hands,
                clock=self.clock,
                metrics=SteadyMetrics(hands.target, RATES),
                checks=Well(self.clock),
                runs=Alive(),
                pictures=Plain(),
                channels={name: Heard() for name in ("slack", "pagerduty", "deployment-log", "email")},
            )

    async def prepare(self) -> None:
        """Version ``first`` serves everything."""
        async with self.hands("first") as hands:
            await hands.target.create(
                self.service, bundle("first"), environment=Environment.PRODUCTION, release="first"
            )

    async def drive(self) -> None:
        """One driver, until the release has ended."""
        async with self.hands("run") as hands:

            async def wait(state: ReleaseState, step: Any) -> None:
                await wait_in_place(hands, state, step)

            candidate = bundle(self.cell.version)
            driver = Driver(hands, self.release, candidate, run=str(uuid.uuid4()), wait=wait)
            await driver.open(self.service, plan())
            await driver.drive()

    async def keep(self) -> None:
        """One keeper, until it is killed."""
        async with self.hands("keeper") as hands:
            await Keeper(hands, f"keeper-{os.getpid()}", idle=timedelta(seconds=1)).run(asyncio.Event())

    def arm(self, role: str) -> None:
        """Make this process die, or another, or only say where it is."""
        if self.record is not None:
            file = self.record

            def say(name: str) -> None:
                with file.open("a") as out:
                    out.write(json.dumps([role, name]) + "\n")

            faultpoint.arm(say)
        elif role == (self.cell.by if self.cell.who == "edge" else self.cell.who):
            pid = self.edge.pid if self.cell.who == "edge" else 0
            faultpoint.arm(faultpoint.Kill(self.cell.point, self.cell.nth, pid))


def fork(role: str, home: Path, what: Callable[[], Coroutine[Any, Any, None]], prepare: Callable[[], None]):
    """Run *what* in a child; its id. What it raises goes to a file in *home*."""
    pid = os.fork()
    if pid:
        return pid
    try:
        prepare()
        asyncio.run(what())
    except BaseException:
        with (home / f"{role}.log").open("a") as out:
            traceback.print_exc(file=out)
        os._exit(1)
    os._exit(0)


def play(place: Place) -> Outcomes:
    """Run the cell to the release's end, starting again what dies."""
    began = time.monotonic()
    asyncio.run(place.prepare())
    roles = {"keeper": place.keep, "driver": place.drive}
    if place.ledger:
        # A ledger that is shared by hosts: the second keeper is another host's.
        roles["second keeper"] = place.keep
    live = {fork(role, place.home, what, lambda r=role: place.arm(r)): role for role, what in roles.items()}
    killed, over = False, False
    while not over and time.monotonic() - began < LIMIT:
        killed = place.edge.restart_if_dead() or killed
        time.sleep(0.01)
        for pid, role in tuple(live.items()):
            gone, status = os.waitpid(pid, os.WNOHANG)
            if not gone:
                continue
            del live[pid]
            killed = killed or os.WIFSIGNALED(status)
            over = over or (role == "driver" and status == 0)
            if not over:
                live[fork(role, place.home, roles[role], lambda: faultpoint.arm(None))] = role
    for pid in live:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    outcome, faults = asyncio.run(judge(place))
    if not over:
        faults = (f"did not end within {LIMIT:g} s: {_last_words(place.home)}", *faults)
    return Outcomes(place.cell, killed, outcome, faults, time.monotonic() - began)


def _last_words(home: Path) -> str:
    return " | ".join(file.read_text()[-300:] for file in home.glob("*.log"))


async def judge(place: Place) -> tuple[str, tuple[str, ...]]:
    """How the release ended, and everything that is not as it must be."""
    async with place.hands("judge") as hands:
        return await faults(hands, place.edge, place.release, place.service, version=place.cell.version)


async def faults(
    hands: Outside, edge: EdgeProcess, release: str, service: str, *, version: str
) -> tuple[str, tuple[str, ...]]:
    """How a release of *version* ended, and what is not as it must be; its Workers are deleted after that."""
    rows = await hands.journal.ledger.events(release)
    if not rows:
        return "never opened", ("the release was never opened",)
    state = replay(rows)
    found = [*broken_laws(rows), *_end(version, state), *await _edge(hands, edge, service, version, state)]
    for worker in (service, f"{service}-staging"):
        await hands.target.delete(worker)
    return state.ended.outcome if state.ended else "open", tuple(found)


def _end(version: str, state: ReleaseState) -> list[str]:
    wanted = Outcome.PROMOTED if version == "good" else Outcome.ROLLED_BACK
    got = state.ended.outcome if state.ended else None
    return [] if got is wanted else [f"ended as {got}, not {wanted}: {state.why_abort}"]


async def _edge(
    hands: Outside, edge: EdgeProcess, service: str, version: str, state: ReleaseState
) -> list[str]:
    """Each split once and in order, each upload once, and the right version at the end."""
    canary = state.canary.id if state.canary else ""
    history = edge.get(f"workers/scripts/{service}/deployments")["deployments"]
    weights = [
        next((one["percentage"] for one in record["versions"] if one["version_id"] == canary), 0)
        for record in reversed(history)
    ]
    wanted = [0, 10, 50, 100] if version == "good" else [0, 10, 0]
    found = [] if weights == wanted else [f"the splits were {weights}, not {wanted}"]
    for worker in (service, f"{service}-staging"):
        tags = [one.tag for one in await hands.target.versions(worker)]
        if tags.count(version) != 1:
            found.append(f"{worker} has {tags}")
    return found
