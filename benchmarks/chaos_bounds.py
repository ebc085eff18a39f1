"""
How long a breach lasts, in real time, against a real edge: from the moment the counts show it to the restore.

A case is one release in its canary soak with one keeper or two, at a tick of five seconds and again of
one. Nothing but counts and health is stood in for; the orchestrator is away or answers.
"""

import asyncio
import json
import os
import random
import signal
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from phasegate import faultpoint
from phasegate.actions.advancing import begin_soak
from phasegate.actions.deploying import promote, upload
from phasegate.actions.gates import ask
from phasegate.actions.opening import open_release
from phasegate.actions.outside import Outside
from phasegate.adapters.clock import SystemClock
from phasegate.domain.events import Candidate, Driven, PhaseBegan
from phasegate.domain.observation import Batch
from phasegate.domain.plan import Environment, RolloutPlan
from phasegate.keeper.loop import Keeper
from phasegate.wiring import outside
from tests.release.edge_process import EdgeProcess
from tests.release.kill_cell import bundle, fork, plan
from tests.release.standins import Alive, Plain, SteadyMetrics, Well

RUNS, AT_ONCE, SEED, LIMIT = 50, 8, 5, 60.0
SECOND = timedelta(seconds=1)
NEVER = datetime.max.replace(tzinfo=UTC)
KILLED = "before POST script/deployments"


@dataclass(frozen=True)
class Case:
    """What happens in it: ``soak``, ``gate`` (a question waits), ``away`` (no Prefect) or ``killed``."""

    what: str
    tick: float
    number: int
    turns: float


@dataclass
class Turning(SteadyMetrics):
    """Steady counts in which the candidate begins to fail at a moment."""

    turns_at: datetime = NEVER

    async def collect(self, worker: str, **asked: Any) -> Batch:  # type: ignore[override]
        """Intervals that begin before the moment are clean."""
        batch = await super().collect(worker, **asked)
        minutes = tuple(
            minute
            if minute.start >= self.turns_at
            else minute.model_copy(
                update={"counts": tuple(one.model_copy(update={"errors": 0}) for one in minute.counts)}
            )
            for minute in batch.minutes
        )
        return batch.model_copy(update={"minutes": minutes})


def figures() -> tuple[Figure, ...]:
    """Median and maximum of fifty cases of each kind, in seconds."""
    kinds = [(what, tick) for tick in (5.0, 1.0) for what in ("soak", "gate", "away", "killed")]
    chance = random.Random(SEED)
    with tempfile.TemporaryDirectory(prefix="phasegate-bounds-") as folder:
        home = Path(folder)
        with EdgeProcess(home / "edge") as edge:
            return tuple(
                figure
                for what, tick in kinds
                for figure in _figure(what, tick, _measured(what, tick, chance, edge, home))
            )


def _figure(what: str, tick: float, took: list[float]) -> Iterator[Figure]:
    part = f"a breach at a tick of {tick:g} s, {len(took)} runs"
    words = {
        "soak": "in a soak: shown to restored",
        "gate": "while a question waits: shown to restored",
        "away": "in a soak, Prefect away: shown to restored",
        "killed": "acting keeper killed: its death to restored",
    }
    yield Figure(part, f"{words[what]}, median", statistics.median(took), "s")
    yield Figure(part, f"{words[what]}, maximum", max(took), "s")


def _measured(what: str, tick: float, chance: random.Random, edge: EdgeProcess, home: Path) -> list[float]:
    cases = [Case(what, tick, number, chance.uniform(0, tick)) for number in range(RUNS)]
    took, running = [], {}
    while cases or running:
        while cases and len(running) < AT_ONCE:
            case = cases.pop()
            file = home / f"{what}-{tick:g}-{case.number}.json"
            running[fork("case", home, lambda c=case, f=file: _play(c, edge, home, f), _ready)] = file
        pid, status = os.wait()
        if pid not in running:
            continue
        if status:
            raise RuntimeError(f"a case failed: {(home / 'case.log').read_text()[-2000:]}")
        took.append(float(json.loads(running.pop(pid).read_text())))
    return took


def _ready() -> None:
    faultpoint.arm(None)


async def _play(case: Case, edge: EdgeProcess, home: Path, file: Path) -> None:
    _write(file, await Playing(case, edge, home).play())


def _write(file: Path, took: float) -> None:
    file.write_text(json.dumps(took))


def _end(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@dataclass
class Playing:
    """One case under way."""

    case: Case
    edge: EdgeProcess
    home: Path
    turns_at: datetime = NEVER

    @property
    def name(self) -> str:
        """Of the service, and the beginning of the release's."""
        return f"{self.case.what}-{self.case.tick:g}-{self.case.number}"

    @property
    def plan(self) -> RolloutPlan:
        """One-second intervals without delay, and the tick that is measured."""
        known, tick = plan(), timedelta(seconds=self.case.tick)
        soak = known.phases[1].soak
        assert soak is not None
        canary = known.phases[1].model_copy(
            update={"soak": soak.model_copy(update={"duration": timedelta(minutes=10)})}
        )
        telemetry = known.telemetry.model_copy(update={"settle": timedelta(0)})
        phases = (known.phases[0], canary, *known.phases[2:])
        return known.model_copy(update={"tick": tick, "telemetry": telemetry, "phases": phases})

    async def play(self) -> float:
        """Seconds from what is measured to the restore."""
        async with self._hands() as hands:
            await self._soaking(hands)
            # Keepers need a moment to look for the first time; then the counts turn.
            self.turns_at = hands.clock.now() + 3 * SECOND + timedelta(seconds=self.case.turns)
            killed = self.case.what == "killed"
            keepers = [self._keeper(name, kill=killed) for name in ("ab" if killed else "a")]
            try:
                restored = await self._restored(hands)
            finally:
                _end(keepers)
            await hands.target.delete(self.name)  # type: ignore[attr-defined]
        shown = datetime.fromisoformat(self._death.read_text()) if killed else self.turns_at + SECOND
        return (restored - shown).total_seconds()

    @property
    def _death(self) -> Path:
        return self.home / f"{self.name}.died"

    def _hands(self) -> Any:
        return _hands(self.edge, self.home / f"{self.name}.db", self.turns_at, away=self.case.what == "away")

    async def _soaking(self, hands: Outside) -> None:
        first, candidate, release = bundle("first"), bundle("bad"), f"{self.name}-1"
        await hands.target.create(self.name, first, environment=Environment.PRODUCTION, release="first")
        given = Candidate(bundle="bundle", digest=candidate.digest, tag="bad")
        await open_release(
            hands,
            release,
            service=self.name,
            plan=self.plan,
            candidate=given,
            reason="measured",
            requested_by="linus",
        )
        phase = self.plan.phases[1]
        await hands.journal.record(release, lambda s: None if s.run else Driven(run="a run"))
        await upload(hands, release, environment=Environment.PRODUCTION, bundle=candidate)
        await hands.journal.record(release, lambda s: None if s.phase else PhaseBegan(phase=phase.name))
        await promote(hands, release, phase)
        now = hands.clock.now()
        await begin_soak(hands, release, phase, since=now, until=now + timedelta(minutes=10))
        if self.case.what == "gate":
            await ask(hands, release, phase, gate=phase.hold, hold=True, evidence="thin")

    def _keeper(self, name: str, *, kill: bool) -> int:
        async def keep() -> None:
            async with self._hands() as hands:
                await Keeper(hands, f"{name}-{os.getpid()}").run(asyncio.Event())

        armed = partial(_first_dies, self._death) if kill else None
        return fork(f"keeper-{self.name}", self.home, keep, lambda: faultpoint.arm(armed))

    async def _restored(self, hands: Outside) -> datetime:
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            state = await hands.journal.state(f"{self.name}-1")
            if state.restored_at is not None:
                return state.restored_at
            await asyncio.sleep(0.2)
        raise RuntimeError(f"{self.name} was not taken back within {LIMIT:g} s")


def _first_dies(file: Path, name: str) -> None:
    """Whichever keeper is about to write first dies there, and leaves the time."""
    if name == KILLED and not file.exists():
        file.write_text(SystemClock().now().isoformat())
        os.kill(os.getpid(), signal.SIGKILL)


@asynccontextmanager
async def _hands(
    edge: EdgeProcess, ledger: Path, turns_at: datetime, *, away: bool
) -> AsyncIterator[Outside]:
    async with outside(edge.settings(ledger=str(ledger)), role="bench") as hands:
        metrics = Turning(hands.target, {"bad": 0.08}, turns_at=turns_at)
        changed: dict[str, Any] = {"metrics": metrics, "checks": Well(SystemClock()), "pictures": Plain()}
        yield replace(hands, **changed, **({} if away else {"runs": Alive()}))
