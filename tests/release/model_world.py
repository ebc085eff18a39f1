"""A release with everything around it in one process and in virtual time, every process of it killable."""

import asyncio
import uuid
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from phasegate.actions.journal import Journal
from phasegate.actions.outside import Outside
from phasegate.domain.errors import LedgerBusy, MetricsAway, PhasegateError, RunsAway, TargetAway
from phasegate.domain.ledger import ReleaseState, replay
from phasegate.domain.plan import RolloutPlan
from phasegate.domain.steps import Step
from phasegate.domain.versions import Split
from phasegate.keeper.watch import Watch
from phasegate.ports import RunStatus
from tests.release.driver import Driver
from tests.release.kill_cell import bundle
from tests.release.laws import Laws
from tests.release.memory_ledger import MemoryLedger
from tests.release.model_platform import Frozen, ModelClock, ModelTarget, Outages, Platform, Process, Through
from tests.release.standins import Heard, Plain, SteadyMetrics, Well

SERVICE, RELEASE = "model", "model-1"
SECOND = timedelta(seconds=1)
ERRORS: dict[str, type[Exception]] = {
    "target": TargetAway,
    "target-answer": TargetAway,
    "ledger": LedgerBusy,
    "ledger-answer": LedgerBusy,
    "metrics": MetricsAway,
    "runs": RunsAway,
    "runs-answer": RunsAway,
}
SPINS = 4


class Inline(ThreadPoolExecutor):
    """Runs what is handed to a thread at once, so that nothing waits for real time."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """The result, or what was raised."""
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as trouble:
            done.set_exception(trouble)
        return done


@dataclass
class Acting:
    """A process at work on something."""

    process: Process
    task: asyncio.Task[Any]


@dataclass
class Orchestrator:
    """Implements ``Runs``: runs are drivers of the world; a lost one may look alive for ever."""

    world: "World"
    status_of: dict[str, RunStatus] = field(default_factory=dict)

    async def status(self, run: str) -> RunStatus:
        """As the orchestrator believes it."""
        return self.status_of.get(run, RunStatus.UNKNOWN)

    async def wake(self, run: str, *, answer: Mapping[str, str] | None = None) -> bool:
        """Runs of the model wait in place."""
        return False

    async def take_up(
        self, release: str, *, service: str, reason: str, requested_by: str, lost: str = ""
    ) -> str:
        """The run that lives, or a new one."""
        return self.start(lost)

    async def roll_back(self, release: str, *, reason: str, lost: str = "") -> str:
        """The run that lives, or a new one; a driver of a called-off release takes it back."""
        return self.start(lost)

    async def publish(self, run: str, *, key: str, markdown: str) -> None:
        """Shown to nobody."""

    def start(self, lost: str = "") -> str:
        """A new run, unless one of those started, other than *lost*, is believed to live."""
        started = list(self.status_of.items())[1:]
        if alive := [run for run, status in started if status is RunStatus.ACTIVE and run != lost]:
            return alive[0]
        run = str(uuid.UUID(int=len(self.status_of) + 1))
        self.status_of[run] = RunStatus.ACTIVE
        self.world.begin_run(run)
        return run


class World:
    """One service, one release, any number of processes; call `settle` after each change."""

    def __init__(self, plan: RolloutPlan) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(Inline())
        self.plan = plan
        self.clock = ModelClock()
        self.ledger = MemoryLedger()
        self.platform = Platform(self.clock)
        self.outages = Outages(ERRORS)
        self.rates: dict[str, float] = {}
        self.requests = 6000
        self.steady: list[SteadyMetrics] = []
        self.runs = Orchestrator(self)
        self.heard = Heard()
        self.acting: dict[str, Acting] = {}
        self.watches: dict[str, tuple[Process, Watch]] = {}
        self.laws = Laws()
        self.read = 0
        self.replayed: tuple[ReleaseState, ...] = ()
        self.defects: list[str] = []
        self.number = 0
        first = self.platform.version(SERVICE, "first", "first")
        self.platform.put(SERVICE, Split.whole(first.id), "the first version")

    def hands(self, process: Process) -> Outside:
        """The ports of one process."""
        ledger: Any = Through(self.ledger, process, self.outages, "ledger")
        counting = ModelTarget(self.platform, Process("metrics"), Outages({}))
        self.steady.append(SteadyMetrics(counting, self.rates, self.requests))
        metrics: Any = Through(self.steady[-1], process, self.outages, "metrics")
        runs: Any = Through(self.runs, process, self.outages, "runs")
        return Outside(
            journal=Journal(ledger, self.clock, driver=process.name),
            target=ModelTarget(self.platform, process, self.outages),
            # Bundles of the model bring no migrations, so nobody asks for a database.
            database=None,  # type: ignore[arg-type]
            metrics=metrics,
            checks=Well(self.clock),  # type: ignore[arg-type]
            channels={"slack": self.heard, "pagerduty": self.heard},
            runs=runs,
            clock=self.clock,
            pictures=Plain(),
        )

    def served(self, requests: int) -> None:
        """So many requests come in each interval from now on."""
        self.requests = requests
        for steady in self.steady:
            steady.requests = requests

    def name(self, what: str) -> str:
        """A name that no process has had."""
        self.number += 1
        return f"{what}-{self.number}"

    def begin(self, name: str, process: Process, what: Coroutine[Any, Any, Any]) -> None:
        """Let *process* do something as *name*, until it is done, frozen or asleep."""
        self.acting[name] = Acting(process, self.loop.create_task(self._safely(name, what)))

    async def _safely(self, name: str, what: Coroutine[Any, Any, Any]) -> None:
        try:
            await what
        except (Frozen, asyncio.CancelledError, PhasegateError):
            pass
        except Exception as defect:
            self.defects.append(f"{name}: {type(defect).__name__}: {defect}")

    def begin_run(self, run: str) -> None:
        """A run of the orchestrator, driving the release to its end."""
        process = Process(self.name("run"))
        hands = self.hands(process)

        async def wait(state: ReleaseState, step: Step) -> None:
            await self.clock.sleep(SECOND)

        async def drive() -> None:
            driver = Driver(hands, RELEASE, bundle("candidate"), run=run, wait=wait)
            try:
                await driver.open(SERVICE, self.plan)
                await driver.drive()
            except PhasegateError:
                self.runs.status_of[run] = RunStatus.LOST
                return
            self.runs.status_of[run] = RunStatus.DONE

        self.begin(run, process, drive())

    def tick(self, keeper: str, freeze_at: int | None = None) -> None:
        """One look of a keeper; a keeper that still stands in its last one does nothing."""
        if keeper in self.acting and not self.acting[keeper].task.done():
            return
        if keeper not in self.watches:
            process = Process(keeper)
            self.watches[keeper] = (process, Watch(self.hands(process)))
        process, watch = self.watches[keeper]
        process.left = freeze_at
        if RELEASE in self.ledger.rows:
            self.begin(keeper, process, watch.look_at(RELEASE))
        self.settle()

    def kill(self, name: str) -> None:
        """End a process; nothing that it still does has an effect."""
        acting = self.acting.pop(name, None)
        self.watches.pop(name, None)
        if acting is None:
            return
        acting.process.dead = True
        acting.process.thaw()
        acting.task.cancel()
        self.settle()

    def advance(self, duration: timedelta) -> None:
        """Move time; whoever sleeps so long wakes and acts in between."""
        end = self.clock.now() + duration
        while self.clock.next_within(end):
            self.settle()

    def settle(self) -> None:
        """Let everybody act until all are done, frozen or asleep."""
        self.loop.run_until_complete(self._settled())

    async def _settled(self) -> None:
        quiet, seen = 0, -1
        while quiet < SPINS:
            await asyncio.sleep(0)
            moves = self.clock.moves + sum(one.process.calls for one in self.acting.values())
            quiet, seen = (quiet + 1, seen) if moves == seen else (0, moves)

    @property
    def state(self) -> ReleaseState | None:
        """Where the release is, from the ledger alone."""
        return self.laws.state

    def check(self) -> list[str]:
        """The laws that the newest rows break, what the platform shows, and defects of the code."""
        broken = list(self.defects)
        rows = self.ledger.rows.get(RELEASE, [])
        for row in rows[self.read :]:
            broken += self.laws.read(row)
        self.read = len(rows)
        intents = sum(row.event.kind in ("intended", "noted") for row in rows)
        ours = [one for one in self.platform.deployments[SERVICE] if one.ours]
        if len(ours) > intents:
            broken.append(f"{len(ours)} writes of the split for {intents} intents")
        for _, watch in self.watches.values():
            known = watch.outside.journal._states.get(RELEASE)
            if known is not None and not any(known is one for one in self.replayed):
                if known != replay(rows[: known.seq]):
                    broken.append("a replay of the ledger is not the live state")
                # Held, so that no other state is taken for it.
                self.replayed = (*self.replayed[-1:], known)
        return broken

    @property
    def candidate_weight(self) -> float:
        """The percentage of production that the candidate takes now."""
        state = self.state
        if state is None or state.canary is None:
            return 0.0
        return self.platform.newest(SERVICE).split.weight(state.canary.id)

    def close(self) -> None:
        """End everything."""
        for name in tuple(self.acting):
            self.kill(name)
        for _ in range(SPINS):
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()
