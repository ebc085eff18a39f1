"""Leases: who may act on a release, told apart by a number that only grows."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import Table

from phasegate.adapters.ledger_schema import LEASES, utc
from phasegate.domain.errors import Superseded
from phasegate.domain.listing import Lease

MOST = 10
_NOBODY = ""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def insert_for(db: AsyncConnection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """The dialect's own INSERT; only that one knows ON CONFLICT."""
    return postgresql.insert(table) if db.dialect.name == "postgresql" else sqlite.insert(table)


async def take(db: AsyncConnection, release: str, *, holder: str, ttl: timedelta, now: datetime) -> Lease:
    """
    Take a free or expired lease with the next fence, or prolong one's own with the same.

    Raises Superseded while another holds it, ValueError for no holder or no time.
    """
    if not holder or ttl <= timedelta(0):
        raise ValueError(f"a lease needs a holder and a time above 0, not {holder!r} and {ttl}")
    now = utc(now)
    held = await _locked(db, release)
    # Further ahead than any lease lasts: the clock was put back, and its holder may be long dead.
    if held.holder not in {_NOBODY, holder} and now < held.expires_at <= now + MOST * ttl:
        raise Superseded(
            f"release {release!r} is driven by {held.holder!r} until {held.expires_at:%H:%M:%S} UTC "
            f"(fence {held.fence})"
        )
    fence = held.fence if held.holder == holder else held.fence + 1
    expires_at = max(now + ttl, held.expires_at) if held.holder == holder else now + ttl
    lease = Lease(release=release, holder=holder, fence=fence, expires_at=expires_at)
    await _write(db, lease)
    return lease


async def give_back(db: AsyncConnection, lease: Lease) -> None:
    """Free the lease when holder and fence are still those; its fence stays, so the next one is higher."""
    held = await _locked(db, lease.release)
    if (held.holder, held.fence) == (lease.holder, lease.fence):
        await _write(
            db, Lease(release=lease.release, holder=_NOBODY, fence=lease.fence, expires_at=_LONG_AGO)
        )


async def held(db: AsyncConnection, release: str) -> Lease | None:
    """The lease as it was last taken; None when nobody holds it."""
    row = (await db.execute(select(LEASES).where(LEASES.c.release == release))).first()
    if row is None or row.holder == _NOBODY:
        return None
    return Lease(release=release, holder=row.holder, fence=row.fence, expires_at=row.expires_at)


async def check_fence(db: AsyncConnection, release: str, *, fence: int, at: datetime) -> None:
    """Raise Superseded unless *fence* is that of a lease in force at *at*; nobody can take it meanwhile."""
    query = select(LEASES).where(LEASES.c.release == release).with_for_update()
    held = (await db.execute(query)).first()
    if held is None or held.holder == _NOBODY:
        raise Superseded(f"release {release!r} has no lease in force; take one before acting")
    if held.fence != fence:
        raise Superseded(
            f"release {release!r} is driven by {held.holder!r} with fence {held.fence}, not {fence}: "
            "the right to act has passed on"
        )
    if held.expires_at <= utc(at):
        raise Superseded(
            f"the lease of {held.holder!r} on release {release!r} ended at "
            f"{held.expires_at:%H:%M:%S} UTC; take it again before acting"
        )


async def _locked(db: AsyncConnection, release: str) -> Lease:
    first = insert_for(db, LEASES).values(release=release, holder=_NOBODY, fence=0, expires_at=_LONG_AGO)
    await db.execute(first.on_conflict_do_nothing())
    query = select(LEASES).where(LEASES.c.release == release).with_for_update()
    row = (await db.execute(query)).one()
    return Lease(release=release, holder=row.holder, fence=row.fence, expires_at=row.expires_at)


async def _write(db: AsyncConnection, lease: Lease) -> None:
    change = update(LEASES).where(LEASES.c.release == lease.release)
    await db.execute(change.values(holder=lease.holder, fence=lease.fence, expires_at=utc(lease.expires_at)))
