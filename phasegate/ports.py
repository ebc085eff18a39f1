"""What phasegate needs from the outside world. Adapters implement these; nothing else is assumed."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from phasegate.domain.bundle import Bundle
from phasegate.domain.checklist import Result
from phasegate.domain.events import Event, Notice, Opened, Recorded
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.listing import Lease, Row
from phasegate.domain.migrations import Migration
from phasegate.domain.observation import Batch, Minute, Probe
from phasegate.domain.plan import Environment, HealthContract, Load, Validation
from phasegate.domain.sources import Invocations
from phasegate.domain.standing import Obstacle
from phasegate.domain.synthetic import SyntheticRequest
from phasegate.domain.versions import LiveSplit, Split, Version


class Clock(Protocol):
    """Time, so that tests can hold it."""

    def now(self) -> datetime:
        """The time in UTC."""

    async def sleep(self, duration: timedelta) -> None:
        """Wait."""


class Target(Protocol):
    """
    The platform that serves versions and splits traffic.

    Every method raises TargetAway when the platform does not answer within the
    retries, SettingsError when it refuses the token.
    """

    async def live(self, worker: str) -> LiveSplit | None:
        """The split in force, or None when the Worker does not exist."""

    async def set_split(
        self, worker: str, split: Split, *, message: str, was: str, force: bool = False
    ) -> LiveSplit:
        """
        Write a split and read it back; *was* is the id of the deployment read before.

        An ambiguous answer is resolved by reading. Raises Drift when somebody else
        deployed in between, SecretsChanged when the version knows other secrets than
        those of now and *force* does not overrule that, CannotRestore when the platform
        refuses the version, Unconfirmed when the effect cannot be read.
        """

    async def upload(self, worker: str, bundle: Bundle, *, environment: Environment, release: str) -> Version:
        """
        Make the bundle a version without sending it traffic.

        The same release and bundle give the same version, however often it is called.
        Raises BundleError when the platform refuses it, with the platform's words.
        """

    async def create(self, worker: str, bundle: Bundle, *, environment: Environment, release: str) -> Version:
        """Deploy a Worker that does not exist yet, at 100 %."""

    async def versions(self, worker: str) -> tuple[Version, ...]:
        """The deployable versions, newest first."""

    async def obstacles(self, worker: str, version: str, *, candidate: Bundle | str) -> tuple[Obstacle, ...]:
        """
        What may keep *version* from being brought back once *candidate* has taken traffic; reads only.

        *candidate* is a bundle, the id of an uploaded version, or empty for none.
        What could not be found out is an obstacle too.
        """

    async def databases(self, worker: str, version: str) -> Mapping[str, str]:
        """Name of each database binding of an uploaded version -> the id of the database behind it."""

    def front_door(self, worker: str) -> str:
        """The address at which users reach the Worker, without a trailing slash."""


class Database(Protocol):
    """
    A database of the platform that versions share, by its id.

    Every method raises TargetAway, SettingsError for a refused token, and Refused with the
    database's own words for SQL that it refuses.
    """

    async def applied(self, database: str) -> tuple[str, ...]:
        """The names of the migrations that were applied, oldest first; reading writes nothing."""

    async def schema(self, database: str) -> dict[str, str]:
        """Name of each table, index, view and trigger of the project -> the SQL that made it."""

    async def rows(self, database: str) -> dict[str, int]:
        """Table -> how many rows it has."""

    async def bookmark(self, database: str) -> str:
        """The present point of its history; bookmarks of one database grow."""

    async def apply(self, database: str, migration: Migration) -> None:
        """Apply one file and note its name, as one transaction; one that is applied already is left."""

    async def take_back(self, database: str, migration: Migration) -> None:
        """Run one file's down-SQL and strike its name, in one transaction; one not applied is left."""

    async def restore(self, database: str, *, to: str, was: str | None) -> str:
        """
        Put the database back to bookmark *to*, in place; the bookmark that undoes it.

        *to* has other migrations than the present: that is how the effect is recognised.
        Raises Refused when *was* is given and is not the present bookmark, or *to* is not kept
        any more; Unconfirmed when something was sent and no reading tells what became of it.
        """


class Metrics(Protocol):
    """Counts per interval, version and endpoint."""

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
        """
        Every complete and settled interval from *since* on, in order, aligned to *since*.

        At most a bounded number per call; call again for more. Raises MetricsAway.
        """


class SecondSource(Protocol):
    """Another source that counts the same requests: it lags, and knows failed invocations only."""

    async def count(
        self, worker: str, *, since: datetime, until: datetime
    ) -> tuple[tuple[Invocations, ...], str]:
        """What each version served in ``[since, until)``, and the question in words. Raises MetricsAway."""


class Marked(Protocol):
    """A source of metrics that recognises requests of our own by their user agent."""

    async def marked(self, worker: str, *, since: datetime, until: datetime, cuts: tuple[int, ...]) -> Minute:
        """What requests of our own did in ``[since, until)``. Raises MetricsAway."""


class Checks(Protocol):
    """What is asked of the service itself, through its front door."""

    async def health(self, url: str, contract: HealthContract, *, overrides: str = "") -> Probe:
        """One health check; never raises for what the service does. *overrides*: the override header."""

    async def ask(self, url: str, request: SyntheticRequest, *, within: timedelta, overrides: str) -> Probe:
        """One synthetic request; never raises for what the service does, and takes *within* at most."""

    async def validate(self, url: str, validation: Validation) -> tuple[Result, ...]:
        """Run the validation program against staging and read its results."""

    async def load(self, url: str, load: Load) -> dict[str, object]:
        """Run the load test against staging; the report as a mapping with ``conclusive`` and ``reason``."""


class Channel(Protocol):
    """One way to tell people."""

    async def send(self, notice: Notice, *, key: str) -> str:
        """Deliver; *key* makes a repeated delivery harmless. Returns what the channel said. Raises Away."""


class RunStatus(StrEnum):
    """What the orchestrator says about a run."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"
    LOST = "lost"
    DONE = "done"
    UNKNOWN = "unknown"


class Runs(Protocol):
    """The orchestrator, treated as one that may be away: every method may raise RunsAway."""

    async def status(self, run: str) -> RunStatus:
        """How the run stands."""

    async def wake(self, run: str, *, answer: Mapping[str, str] | None = None) -> bool:
        """Resume a run that waits; one that waits for input needs an *answer*. False if it was not."""

    async def take_up(
        self, release: str, *, service: str, reason: str, requested_by: str, lost: str = ""
    ) -> str:
        """
        Start a run that goes on with *release*; returns its id. Repeated calls start one.

        *lost* is the run that it replaces, which may still look alive.
        """

    async def roll_back(self, release: str, *, reason: str, lost: str = "") -> str:
        """Start the rollback flow; returns its id. Repeated calls start one; *lost* as above."""

    async def publish(self, run: str, *, key: str, markdown: str) -> None:
        """Show *markdown* as an artifact of the run."""


class Pictures(Protocol):
    """How a release is shown to people, as Markdown."""

    def progress(self, state: ReleaseState, now: datetime) -> str:
        """Phase, weight, times, what is asked."""

    def verdict(self, state: ReleaseState, minutes: tuple[Minute, ...]) -> str:
        """The newest verdict with its table and picture."""


class Ledger(Protocol):
    """
    The memory: append-only, hash-chained events; leases; observations; the keeper's sign of life.

    Every method raises LedgerBusy when the database does not answer within its limit.
    """

    async def open(self, release: str, event: Opened, *, by: str, at: datetime) -> Recorded:
        """Begin a release. Raises Refused when the service has another active one."""

    async def append(
        self,
        release: str,
        event: Event,
        *,
        by: str,
        at: datetime,
        expected: int | None,
        fence: int | None = None,
    ) -> Recorded:
        """
        Add an event in one transaction.

        Raises Superseded when *expected* is given and is not the number of the last
        event, or *fence* is given and is not that of the lease in force at *at*.
        """

    async def events(self, release: str, *, after: int = 0) -> tuple[Recorded, ...]:
        """The events numbered above *after*, in order."""

    async def releases(self, *, active: bool | None = None, service: str = "") -> tuple[Row, ...]:
        """Releases, newest first."""

    async def take(self, release: str, *, holder: str, ttl: timedelta, now: datetime) -> Lease:
        """Take the lease, or prolong one's own (same fence). Raises Superseded while another holds it."""

    async def give_back(self, lease: Lease) -> None:
        """Give the lease back, if it is still held."""

    async def lease(self, release: str) -> Lease | None:
        """The lease as it was last taken, also when it has run out; None when nobody holds it."""

    async def add_minutes(self, release: str, worker: str, minutes: Sequence[Minute]) -> int:
        """Store intervals; those already stored are left as they are. Returns how many were new."""

    async def minutes(
        self, release: str, worker: str, *, after: datetime | None = None
    ) -> tuple[Minute, ...]:
        """Stored intervals that start later than *after*, in order of time."""

    async def add_probe(self, release: str, probe: Probe) -> None:
        """Store a health check."""

    async def probes(self, release: str, *, after: datetime | None = None) -> tuple[Probe, ...]:
        """Stored health checks later than *after*, in order of time."""

    async def beat(self, keeper: str, *, at: datetime) -> None:
        """A keeper's sign of life."""

    async def last_beat(self) -> datetime | None:
        """The newest sign of life of any keeper."""
