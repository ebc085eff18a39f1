"""
The ledger in SQLite or Postgres.

Every write is one durable transaction. When a call raises LedgerBusy the write may
or may not have happened: read the ledger before trying again.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from phasegate.adapters import ledger_events, ledger_leases, ledger_observations, ledger_schema
from phasegate.adapters.ledger_address import Address, address
from phasegate.adapters.ledger_engine import engines
from phasegate.adapters.ledger_errors import database_errors
from phasegate.adapters.ledger_group import Group, Work
from phasegate.domain.errors import LedgerBusy, Refused, SettingsError, Superseded
from phasegate.domain.events import Event, Opened, Recorded
from phasegate.domain.listing import Lease, Row
from phasegate.domain.observation import Minute, Probe

_ATTEMPTS = 5
T = TypeVar("T")


class SqlLedger:
    """
    The port ``Ledger`` on a database: a SQLite path, or a SQLite or Postgres URL.

    *url* empty means the default file; *limit* is how many seconds a call may wait
    for the database. Raises SettingsError when *url* names no usable database.
    """

    def __init__(self, url: str = "", *, limit: float = 10.0) -> None:
        self._address: Address = address(url)
        self._limit = limit
        self._writer, self._reader = engines(self._address, limit=limit)
        self._seen = Group(self._write)

    @property
    def name(self) -> str:
        """What messages call the database; without a password."""
        return self._address.name

    async def ready(self) -> None:
        """
        Create file and schema where they are missing; safe when several processes do it at once.

        Raises SettingsError for a file that is no ledger or a schema of a newer phasegate.
        """
        self._make_room()
        deadline = monotonic() + self._limit
        while True:
            try:
                await self._write(lambda db: db.run_sync(ledger_schema.create, self.name))
                return
            except LedgerBusy:
                # Two processes that switch a new file to its journal do not wait for each other.
                if monotonic() > deadline:
                    raise
            await asyncio.sleep(0.1)

    def _make_room(self) -> None:
        if self._address.path is None:
            return
        try:
            self._address.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"the ledger {self.name} cannot be created: {error}") from None

    async def present(self) -> bool:
        """Whether there is a ledger; creates nothing. Raises like ``ready``."""
        if self._address.path is not None and not self._address.path.exists():
            return False
        return await self._read(lambda db: db.run_sync(ledger_schema.present, self.name))

    async def close(self) -> None:
        """Close every connection, after what was seen is stored."""
        await self._seen.finish()
        await self._writer.dispose()
        await self._reader.dispose()

    async def open(self, release: str, event: Opened, *, by: str, at: datetime) -> Recorded:
        """Begin a release; an equal one again returns what is there. See the port."""
        for _ in range(_ATTEMPTS):
            try:
                return await self._write(lambda db: ledger_events.begin(db, release, event, by=by, at=at))
            except IntegrityError:
                # Another process opened it in the same instant; the next look sees that one.
                continue
        raise LedgerBusy(f"release {release!r} could not be opened in {_ATTEMPTS} attempts; try again")

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
        """Add an event in one transaction; see the port. Raises Refused for an unknown release."""
        try:
            return await self._write(
                lambda db: ledger_events.add(db, release, event, by=by, at=at, expected=expected, fence=fence)
            )
        except IntegrityError as error:
            raise Superseded(f"release {release!r} got another event first; read the ledger again") from error

    async def events(self, release: str, *, after: int = 0) -> tuple[Recorded, ...]:
        """The events numbered above *after*. Raises LedgerBroken when one cannot be read."""
        return await self._read(lambda db: ledger_events.rows(db, release, after=after))

    async def endings(self) -> dict[str, Recorded]:
        """The ``ended`` event of every release that has one, by release."""
        return await self._read(ledger_events.endings)

    async def releases(self, *, active: bool | None = None, service: str = "") -> tuple[Row, ...]:
        """Releases, newest first."""
        return await self._read(lambda db: ledger_events.listed(db, active=active, service=service))

    async def unknown(self, release: str) -> str:
        """What to tell a person who named a release that is not there: the nearest names."""
        return await self._read(lambda db: ledger_events.unknown(db, release))

    async def take(self, release: str, *, holder: str, ttl: timedelta, now: datetime) -> Lease:
        """Take or prolong the lease; see the port."""
        return await self._write(lambda db: ledger_leases.take(db, release, holder=holder, ttl=ttl, now=now))

    async def give_back(self, lease: Lease) -> None:
        """Give the lease back, if it is still held."""
        await self._write(lambda db: ledger_leases.give_back(db, lease))

    async def lease(self, release: str) -> Lease | None:
        """The lease as it was last taken; None when nobody holds it."""
        return await self._read(lambda db: ledger_leases.held(db, release))

    async def add_minutes(self, release: str, worker: str, minutes: Sequence[Minute]) -> int:
        """Store intervals; returns how many were new. Raises Refused for an unknown release."""
        if not minutes:
            # At a tick of seconds most looks find nothing new, and each write waits for the disk.
            return 0
        return await self._observed(
            release,
            f"minutes/{worker}",
            lambda db: ledger_observations.add_minutes(db, release, worker, minutes),
        )

    async def minutes(
        self, release: str, worker: str, *, after: datetime | None = None
    ) -> tuple[Minute, ...]:
        """Stored intervals that start later than *after*, in order of time."""
        return await self._read(lambda db: ledger_observations.minutes(db, release, worker, after=after))

    async def add_probe(self, release: str, probe: Probe) -> None:
        """Store a health check. Raises Refused for an unknown release."""
        await self._observed(release, "probes", lambda db: ledger_observations.add_probe(db, release, probe))

    async def probes(self, release: str, *, after: datetime | None = None) -> tuple[Probe, ...]:
        """Stored health checks later than *after*, in order of time."""
        return await self._read(lambda db: ledger_observations.probes(db, release, after=after))

    async def beat(self, keeper: str, *, at: datetime) -> None:
        """A keeper's sign of life."""
        await self._write(lambda db: ledger_observations.beat(db, keeper, at=at))

    async def last_beat(self) -> datetime | None:
        """The newest sign of life of any keeper."""
        return await self._read(ledger_observations.last_beat)

    async def _observed(self, release: str, what: str, work: Work[T]) -> T:
        try:
            return await self._seen.add(work, key=f"{release}/{what}")
        except IntegrityError:
            raise Refused(await self.unknown(release)) from None

    async def _write(self, work: Work[T]) -> T:
        return await self._whole(self._writer, work)

    async def _read(self, work: Work[T]) -> T:
        return await self._whole(self._reader, work)

    async def _whole(self, engine: AsyncEngine, work: Work[T]) -> T:
        """
        One transaction, brought to its end also when the caller is cancelled.

        Cut off in the middle, SQLite's lock stays with a connection that nobody ends, and no
        process can write any more. How long the end may take is limited by the engine.
        """
        running = asyncio.ensure_future(self._transaction(engine, work))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            while not running.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([running])
            if not running.cancelled():
                running.exception()
            raise

    async def _transaction(self, engine: AsyncEngine, work: Work[T]) -> T:
        with database_errors(self.name, limit=self._limit):
            async with engine.begin() as db:
                return await work(db)
