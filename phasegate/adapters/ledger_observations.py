"""What was seen (intervals and health checks) and the keepers' signs of life."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from phasegate.adapters.ledger_leases import insert_for
from phasegate.adapters.ledger_schema import BEATS, MINUTES, PROBES, utc
from phasegate.domain.observation import Minute, Probe

# Databases limit the parameters of one statement; this many rows stay far below.
_ROWS_AT_ONCE = 500


async def add_minutes(db: AsyncConnection, release: str, worker: str, minutes: Sequence[Minute]) -> int:
    """Store those that are not there yet; returns how many were new."""
    new = 0
    for first in range(0, len(minutes), _ROWS_AT_ONCE):
        rows = [
            {"release": release, "worker": worker, "start": minute.start, "body": minute.model_dump_json()}
            for minute in minutes[first : first + _ROWS_AT_ONCE]
        ]
        done = await db.execute(insert_for(db, MINUTES).values(rows).on_conflict_do_nothing())
        new += done.rowcount
    return new


async def minutes(
    db: AsyncConnection, release: str, worker: str, *, after: datetime | None
) -> tuple[Minute, ...]:
    """Those that start later than *after*, in order of time."""
    query = select(MINUTES.c.body).where(MINUTES.c.release == release, MINUTES.c.worker == worker)
    if after is not None:
        query = query.where(MINUTES.c.start > after)
    bodies = await db.scalars(query.order_by(MINUTES.c.start))
    return tuple(Minute.model_validate_json(body) for body in bodies)


async def add_probe(db: AsyncConnection, release: str, probe: Probe) -> None:
    """Store one health check; the same one twice is one."""
    row = {"release": release, "at": probe.at, "url": probe.url, "body": probe.model_dump_json()}
    await db.execute(insert_for(db, PROBES).values(row).on_conflict_do_nothing())


async def probes(db: AsyncConnection, release: str, *, after: datetime | None) -> tuple[Probe, ...]:
    """Those later than *after*, in order of time."""
    query = select(PROBES.c.body).where(PROBES.c.release == release)
    if after is not None:
        query = query.where(PROBES.c.at > after)
    bodies = await db.scalars(query.order_by(PROBES.c.at, PROBES.c.url))
    return tuple(Probe.model_validate_json(body) for body in bodies)


async def beat(db: AsyncConnection, keeper: str, *, at: datetime) -> None:
    """Remember that *keeper* lived at *at*; an older sign never replaces a newer one."""
    row = insert_for(db, BEATS).values(keeper=keeper, at=utc(at))
    newer = row.on_conflict_do_update(
        index_elements=[BEATS.c.keeper], set_={"at": row.excluded.at}, where=BEATS.c.at < row.excluded.at
    )
    await db.execute(newer)


async def last_beat(db: AsyncConnection) -> datetime | None:
    """The newest sign of life of any keeper."""
    found: datetime | None = await db.scalar(select(func.max(BEATS.c.at)))
    return found
