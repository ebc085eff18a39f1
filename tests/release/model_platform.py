"""A platform in memory that obeys the shapes of the edge, with its outages; and time that a test moves."""

import asyncio
import heapq
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from phasegate.domain.bundle import Bundle
from phasegate.domain.errors import CannotRestore, Drift, TargetAway, Unconfirmed
from phasegate.domain.plan import Environment
from phasegate.domain.standing import Obstacle
from phasegate.domain.versions import LiveSplit, Split, Version

START = datetime(2026, 2, 17, 3, 0, tzinfo=UTC)


class Frozen(BaseException):
    """The process was killed; nothing of it may have an effect any more."""


@dataclass
class ModelClock:
    """Sleepers wake when the test has moved time far enough, in order."""

    time: datetime = START
    sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = field(default_factory=list)
    numbers: itertools.count = field(default_factory=itertools.count)
    moves: int = 0

    def now(self) -> datetime:
        """The time the test has moved to."""
        return self.time

    async def sleep(self, duration: timedelta) -> None:
        """Until the test has moved so far."""
        self.moves += 1
        waking = asyncio.get_running_loop().create_future()
        heapq.heappush(self.sleepers, (self.time + max(duration, timedelta(0)), next(self.numbers), waking))
        await waking

    def next_within(self, end: datetime) -> bool:
        """Move to the next sleeper's time and wake it; False when there is none before *end*."""
        while self.sleepers and self.sleepers[0][0] <= end:
            at, _, waking = heapq.heappop(self.sleepers)
            if waking.done():
                continue
            self.time = max(self.time, at)
            waking.set_result(None)
            self.moves += 1
            return True
        self.time = max(self.time, end)
        return False


@dataclass
class Process:
    """One process that can be frozen at any call it makes, wake up late, or be killed."""

    name: str
    left: int | None = None
    thawed: asyncio.Event = field(default_factory=asyncio.Event)
    dead: bool = False
    calls: int = 0

    def __post_init__(self) -> None:
        self.thawed.set()

    @property
    def frozen(self) -> bool:
        """Whether it stands still."""
        return not self.thawed.is_set()

    async def call(self) -> None:
        """Every call of the world outside goes through here, before and after it acts."""
        self.calls += 1
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                self.left = None
                self.thawed.clear()
        await self.thawed.wait()
        if self.dead:
            raise Frozen(self.name)

    def thaw(self, left: int | None = None) -> None:
        """Let it go on, for *left* more calls."""
        self.left = left
        self.thawed.set()


class Through:
    """Any port: each call passes its process's freezing point before and after; *away* raises instead."""

    def __init__(self, port: object, process: Process, away: "Outages", kind: str) -> None:
        self._port, self._process, self._away, self._kind = port, process, away, kind

    def __getattr__(self, name: str) -> object:
        what = getattr(self._port, name)
        if not asyncio.iscoroutinefunction(what):
            return what

        async def call(*args: object, **kwargs: object) -> object:
            await self._process.call()
            self._away.check(self._kind)
            result = await what(*args, **kwargs)
            await self._process.call()
            self._away.check(f"{self._kind}-answer")
            return result

        return call


@dataclass
class Outages:
    """What does not answer at the moment, and which error that is."""

    errors: dict[str, type[Exception]]
    down: set[str] = field(default_factory=set)

    def check(self, kind: str) -> None:
        """Raise when *kind* is down."""
        if kind in self.down:
            raise self.errors[kind](f"{kind} is away")


@dataclass
class Deployment:
    """A split in force since some time; *ours* when phasegate wrote it."""

    id: str
    split: Split
    message: str
    at: datetime

    @property
    def ours(self) -> bool:
        """Whether phasegate wrote it."""
        return self.message.startswith("phasegate ")


@dataclass
class Platform:
    """Workers, versions and deployments, as Cloudflare has them: the newest deployment is in force."""

    clock: ModelClock
    deployments: dict[str, list[Deployment]] = field(default_factory=dict)
    uploaded: dict[str, dict[str, Version]] = field(default_factory=dict)
    slow: bool = False
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))

    def put(self, worker: str, split: Split, message: str) -> LiveSplit:
        """Write a split at once. Raises CannotRestore for a version that is not there."""
        known = {version.id for version in self.uploaded.get(worker, {}).values()}
        if not {share.version for share in split.shares} <= known:
            raise CannotRestore("unknown version")
        record = Deployment(f"d{next(self.numbers)}", split, message, self.clock.now())
        self.deployments.setdefault(worker, []).append(record)
        return self.newest(worker)

    def newest(self, worker: str) -> LiveSplit:
        """What is in force."""
        record = self.deployments[worker][-1]
        return LiveSplit(id=record.id, split=record.split, created_at=record.at, message=record.message)

    def version(self, worker: str, mark: str, tag: str) -> Version:
        """The version with this mark, made when it is not there."""
        known = self.uploaded.setdefault(worker, {})
        if mark not in known:
            known[mark] = Version(id=f"v{next(self.numbers)}-{tag}", tag=tag)
        return known[mark]


@dataclass
class ModelTarget:
    """Implements ``Target`` on a platform for one process, freezing between its reading and its writing."""

    platform: Platform
    process: Process
    outages: Outages

    def front_door(self, worker: str) -> str:
        """An address that nobody calls."""
        return f"http://{worker}.model"

    async def live(self, worker: str) -> LiveSplit | None:
        """The newest deployment."""
        await self._call()
        return self.platform.newest(worker) if worker in self.platform.deployments else None

    async def versions(self, worker: str) -> tuple[Version, ...]:
        """Newest first."""
        await self._call()
        return tuple(reversed(self.platform.uploaded.get(worker, {}).values()))

    async def set_split(
        self, worker: str, split: Split, *, message: str, was: str, force: bool = False
    ) -> LiveSplit:
        """Read, refuse drift, write once, read back."""
        live = await self.live(worker)
        assert live is not None
        if live.split == split:
            return live
        if live.id != was and not live.split.same_traffic(split):
            raise Drift(f"{live.id} is live instead of {was}")
        await self._call()
        if self.platform.slow:
            await self.platform.clock.sleep(timedelta(seconds=20))
        self.platform.put(worker, split, message)
        await self.process.call()
        if "target" in self.outages.down or "target-answer" in self.outages.down:
            raise Unconfirmed("sent, but what became of it could not be read")
        return self.platform.newest(worker)

    async def obstacles(self, worker: str, version: str, *, candidate: object) -> tuple[Obstacle, ...]:
        """Nothing stands in the way back."""
        await self._call()
        return ()

    async def upload(self, worker: str, bundle: Bundle, *, environment: Environment, release: str) -> Version:
        """The same release and bundle give the same version."""
        await self._call()
        version = self.platform.version(worker, f"{release} {bundle.digest}", bundle.tag)
        await self._answer()
        return version

    async def create(self, worker: str, bundle: Bundle, *, environment: Environment, release: str) -> Version:
        """Deploy a Worker that does not exist yet."""
        version = await self.upload(worker, bundle, environment=environment, release=release)
        if worker not in self.platform.deployments:
            self.platform.put(worker, Split.whole(version.id), "created")
        return version

    async def _call(self) -> None:
        await self.process.call()
        if "target" in self.outages.down:
            raise TargetAway("the platform is away")

    async def _answer(self) -> None:
        await self.process.call()
        if "target-answer" in self.outages.down:
            raise Unconfirmed("the answer was lost")
