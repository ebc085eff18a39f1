"""
What a release without Prefect and without traffic needs: fast time, steady counts, a service that is well.

The clock is real and only faster, so that several processes agree on it. The counts follow the
split that is live and are without chance.
"""

import asyncio
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from phasegate.actions.collecting import floor
from phasegate.adapters.clock import SystemClock
from phasegate.domain.checklist import Result
from phasegate.domain.events import Notice
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.observation import Batch, Counts, Minute, Probe
from phasegate.domain.plan import HealthContract, Load, Validation
from phasegate.ports import RunStatus, Target

REQUESTS = 6000
MOST = 200


@dataclass(frozen=True)
class FastClock:
    """Time that passes *factor* times as fast as it does, since *start* (seconds of ``time.monotonic``)."""

    factor: float
    start: float
    epoch: datetime

    @classmethod
    def begin(cls, factor: float) -> "FastClock":
        """A clock that begins now; processes forked later share it."""
        return cls(factor, time.monotonic(), SystemClock().now())

    def now(self) -> datetime:
        """The time in UTC."""
        return self.epoch + timedelta(seconds=(time.monotonic() - self.start) * self.factor)

    async def sleep(self, duration: timedelta) -> None:
        """Wait, so many times shorter."""
        await asyncio.sleep(max(duration.total_seconds(), 0) / self.factor)


@dataclass
class SteadyMetrics:
    """Counts as the live split would give them; *rates* are the failing shares of versions, by tag."""

    target: Target
    rates: Mapping[str, float] = field(default_factory=dict)
    requests: int = REQUESTS
    tags: dict[str, str] = field(default_factory=dict)

    async def collect(
        self,
        worker: str,
        *,
        since: datetime,
        now: datetime,
        interval: timedelta,
        settle: timedelta,
        cuts: tuple[int, ...],
    ) -> Batch:
        """Every settled interval since *since*, all with the split that is live now."""
        until = floor(now - settle, interval)
        minutes = []
        counts = await self._counts(worker, cuts)
        while since + interval <= until and len(minutes) < MOST:
            minutes.append(Minute(start=since, length=interval, counts=counts, query="steady"))
            since += interval
        return Batch(minutes=tuple(minutes), settled_until=until)

    async def _counts(self, worker: str, cuts: tuple[int, ...]) -> tuple[Counts, ...]:
        live = await self.target.live(worker)
        if live is None:
            return ()
        shares = [share for share in live.split.shares if share.weight > 0]
        if any(share.version not in self.tags for share in shares):
            self.tags |= {version.id: version.tag for version in await self.target.versions(worker)}
        return tuple(
            self._count(share.version, round(self.requests * share.weight / 100), cuts) for share in shares
        )

    def _count(self, version: str, total: int, cuts: tuple[int, ...]) -> Counts:
        errors = round(total * self.rates.get(self.tags.get(version, ""), 0.0))
        slow = tuple((cut, 0) for cut in cuts)
        return Counts(version=version, endpoint="GET /", total=total, errors=errors, slow=slow)


@dataclass
class Well:
    """Implements ``Checks`` for a service that is well."""

    clock: SystemClock | FastClock

    async def health(self, url: str, contract: HealthContract, *, overrides: str = "") -> Probe:
        """A health check that passes."""
        return Probe(at=self.clock.now(), ok=True, url=f"{url}{contract.path}", status=contract.status)

    async def validate(self, url: str, validation: Validation) -> tuple[Result, ...]:
        """Nothing is wrong."""
        return ()

    async def load(self, url: str, load: Load) -> dict[str, object]:
        """A load test that the generator kept up with."""
        return {"conclusive": True, "reason": "a stand-in"}


@dataclass
class Alive:
    """Implements ``Runs``: every run is alive, whoever asks; the test itself replaces the dead."""

    async def status(self, run: str) -> RunStatus:
        """Alive."""
        return RunStatus.ACTIVE

    async def wake(self, run: str, *, answer: Mapping[str, str] | None = None) -> bool:
        """It did not wait."""
        return False

    async def take_up(
        self, release: str, *, service: str, reason: str, requested_by: str, lost: str = ""
    ) -> str:
        """A new id."""
        return str(uuid.uuid4())

    async def roll_back(self, release: str, *, reason: str, lost: str = "") -> str:
        """A new id."""
        return str(uuid.uuid4())

    async def publish(self, run: str, *, key: str, markdown: str) -> None:
        """Shown to nobody."""


@dataclass
class Asleep(Alive):
    """As `Alive`; every run has given its process up for a long soak."""

    async def status(self, run: str) -> RunStatus:
        """Suspended."""
        return RunStatus.SUSPENDED


@dataclass
class Plain:
    """Implements ``Pictures`` in a few words."""

    def progress(self, state: ReleaseState, now: datetime) -> str:
        """The phase."""
        return state.phase

    def verdict(self, state: ReleaseState, minutes: tuple[Minute, ...]) -> str:
        """The finding."""
        return state.verdict.finding if state.verdict else ""


@dataclass
class Heard:
    """Implements ``Channel`` and remembers the keys; a key heard before is not heard again."""

    keys: set[str] = field(default_factory=set)

    async def send(self, notice: Notice, *, key: str) -> str:
        """Taken."""
        self.keys.add(key)
        return "taken"
