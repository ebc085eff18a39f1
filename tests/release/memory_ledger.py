"""The port ``Ledger`` in memory, with the rules of the real one: for tests that write millions of rows."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from phasegate.domain.errors import Refused, ServiceTaken, Superseded
from phasegate.domain.events import Ended, Event, Opened, Recorded
from phasegate.domain.ledger import GENESIS, chain
from phasegate.domain.listing import Lease, Row
from phasegate.domain.observation import Minute, Probe

NOBODY = ""


class MemoryLedger:
    """Append-only rows with hashes, leases with fences, observations; one loop, so no locks."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Recorded]] = {}
        self.leases: dict[str, Lease] = {}
        self.beats: dict[str, datetime] = {}
        self._minutes: dict[tuple[str, str], dict[datetime, Minute]] = defaultdict(dict)
        self._probes: dict[str, list[Probe]] = defaultdict(list)

    async def open(self, release: str, event: Opened, *, by: str, at: datetime) -> Recorded:
        """Begin a release; an equal one again returns what is there."""
        if release in self.rows:
            if self.rows[release][0].event == event:
                return self.rows[release][0]
            raise Refused(f"{release} was opened otherwise")
        if taken := [row.release for row in await self.releases(active=True, service=event.service)]:
            raise ServiceTaken(f"{event.service} is being released by {taken[0]}")
        self.rows[release] = []
        return self._add(release, event, by=by, at=at)

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
        """Add an event, unless another came first or the fence is not in force."""
        if expected is not None and len(self.rows[release]) != expected:
            raise Superseded("another driver wrote first")
        if fence is not None:
            held = self.leases.get(release)
            if held is None or held.holder == NOBODY or held.fence != fence or held.expires_at <= at:
                raise Superseded("the right to act has passed on")
        return self._add(release, event, by=by, at=at)

    def _add(self, release: str, event: Event, *, by: str, at: datetime) -> Recorded:
        rows = self.rows[release]
        previous, seq = (rows[-1].hash if rows else GENESIS), len(rows) + 1
        digest = chain(previous, release=release, seq=seq, at=at, by=by, event=event)
        rows.append(
            Recorded(release=release, seq=seq, at=at, by=by, event=event, previous=previous, hash=digest)
        )
        return rows[-1]

    async def events(self, release: str, *, after: int = 0) -> tuple[Recorded, ...]:
        """The events numbered above *after*."""
        return tuple(self.rows.get(release, [])[after:])

    async def releases(self, *, active: bool | None = None, service: str = "") -> tuple[Row, ...]:
        """Releases, newest first."""
        found = []
        for release, rows in reversed(self.rows.items()):
            opened = rows[0].event
            assert isinstance(opened, Opened)
            over = any(isinstance(row.event, Ended) for row in rows)
            if active is not None and active is over:
                continue
            if service in ("", opened.service):
                found.append(Row(release, opened.service, rows[0].at, not over, len(rows)))
        return tuple(found)

    async def take(self, release: str, *, holder: str, ttl: timedelta, now: datetime) -> Lease:
        """Take a free or expired lease with the next fence, or prolong one's own."""
        held = self.leases.get(release) or Lease(release, NOBODY, 0, now)
        if held.holder not in {NOBODY, holder} and now < held.expires_at <= now + 10 * ttl:
            raise Superseded(f"driven by {held.holder}")
        own = held.holder == holder
        until = max(now + ttl, held.expires_at) if own else now + ttl
        self.leases[release] = Lease(release, holder, held.fence if own else held.fence + 1, until)
        return self.leases[release]

    async def give_back(self, lease: Lease) -> None:
        """Free the lease when it is still held."""
        held = self.leases.get(lease.release)
        if held and (held.holder, held.fence) == (lease.holder, lease.fence):
            self.leases[lease.release] = Lease(lease.release, NOBODY, lease.fence, held.expires_at)

    async def lease(self, release: str) -> Lease | None:
        """The lease as it was last taken; None when nobody holds it."""
        held = self.leases.get(release)
        return held if held is not None and held.holder != NOBODY else None

    async def add_minutes(self, release: str, worker: str, minutes: Sequence[Minute]) -> int:
        """Store intervals; those that are there stay."""
        known = self._minutes[release, worker]
        new = [minute for minute in minutes if minute.start not in known]
        known.update((minute.start, minute) for minute in new)
        return len(new)

    async def minutes(
        self, release: str, worker: str, *, after: datetime | None = None
    ) -> tuple[Minute, ...]:
        """Stored intervals later than *after*, in order of time."""
        known = self._minutes[release, worker]
        return tuple(known[start] for start in sorted(known) if after is None or start > after)

    async def add_probe(self, release: str, probe: Probe) -> None:
        """Store a health check."""
        self._probes[release].append(probe)

    async def probes(self, release: str, *, after: datetime | None = None) -> tuple[Probe, ...]:
        """Stored health checks later than *after*."""
        return tuple(probe for probe in self._probes[release] if after is None or probe.at > after)

    async def beat(self, keeper: str, *, at: datetime) -> None:
        """A keeper's sign of life."""
        self.beats[keeper] = max(at, self.beats.get(keeper, at))

    async def last_beat(self) -> datetime | None:
        """The newest sign of life."""
        return max(self.beats.values(), default=None)
