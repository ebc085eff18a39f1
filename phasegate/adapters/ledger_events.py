"""Releases and their events, each call inside the caller's transaction."""

from datetime import datetime
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeVar, cast

from pydantic import ValidationError
from sqlalchemy import func, insert, select, update
from sqlalchemy.engine import Row as SqlRow
from sqlalchemy.ext.asyncio import AsyncConnection

from phasegate.adapters.ledger_leases import check_fence
from phasegate.adapters.ledger_schema import EVENTS, RELEASES, utc
from phasegate.domain.errors import LedgerBroken, Refused, ServiceTaken, Superseded
from phasegate.domain.events import EVENT, Ended, Event, Opened, Recorded
from phasegate.domain.ledger import GENESIS, chain
from phasegate.domain.listing import Row

_COLUMNS = (EVENTS.c.release, EVENTS.c.seq, EVENTS.c.at, EVENTS.c.by, EVENTS.c.event)
_ROW = (*_COLUMNS, EVENTS.c.previous, EVENTS.c.hash)


AnyEvent = TypeVar("AnyEvent", bound=Event)


class Head(NamedTuple):
    """The last event of a release: its number and hash."""

    seq: int
    hash: str


async def begin(db: AsyncConnection, release: str, event: Opened, *, by: str, at: datetime) -> Recorded:
    """
    Add the release and its first event; an equal one that is there already is returned.

    Raises Refused when the id was used for something else or the service is taken,
    IntegrityError when another process does the same in this instant.
    """
    event = _as_stored(event)
    if existing := await rows(db, release, after=0):
        return _same(existing[0], event)
    await _refuse_second(db, release, event.service)
    await db.execute(
        insert(RELEASES).values(release=release, service=event.service, opened_at=at, active=True)
    )
    return await _insert(db, release, event, by=by, at=at, head=Head(0, GENESIS))


def _same(first: Recorded, event: Opened) -> Recorded:
    if first.event == event:
        return first
    fields = type(event).model_fields
    changed = [name for name in fields if getattr(first.event, name, None) != getattr(event, name)]
    raise Refused(
        f"release {first.release!r} was opened at {first.at:%Y-%m-%d %H:%M:%S} UTC with another "
        f"{', '.join(changed)}; give this one a new id"
    )


async def _refuse_second(db: AsyncConnection, release: str, service: str) -> None:
    # Its own name means that another process has opened this one since it was looked for: not a second one.
    others = RELEASES.c.release != release
    query = select(RELEASES.c.release).where(RELEASES.c.service == service, RELEASES.c.active, others)
    if (taken := await db.scalar(query)) is not None:
        raise ServiceTaken(
            f"release {release!r} cannot open: {service!r} is being released by {taken!r}; "
            f"wait until that has ended, or take it back with `phasegate abort {taken}`; "
            "--queue waits, --supersede takes back and waits"
        )


async def add(
    db: AsyncConnection,
    release: str,
    event: Event,
    *,
    by: str,
    at: datetime,
    expected: int | None,
    fence: int | None,
) -> Recorded:
    """
    Add an event after the last one; an ``ended`` also frees the service.

    Raises Superseded as the port says, Refused for a release that is not there.
    """
    if isinstance(event, Opened):
        raise ValueError("a release is opened with open(), not by appending 'opened'")
    head = await _head(db, release)
    if expected is not None and head.seq != expected:
        raise Superseded(
            f"release {release!r} has {head.seq} events, not {expected}: another driver wrote first; "
            "read the ledger again"
        )
    if fence is not None:
        await check_fence(db, release, fence=fence, at=at)
    if isinstance(event, Ended):
        await db.execute(update(RELEASES).where(RELEASES.c.release == release).values(active=False))
    return await _insert(db, release, _as_stored(event), by=by, at=at, head=head)


async def _head(db: AsyncConnection, release: str) -> Head:
    if db.dialect.name == "postgresql":
        # Appenders to one release wait in line here; SQLite has put every writer in line already.
        await db.execute(select(RELEASES.c.release).where(RELEASES.c.release == release).with_for_update())
    query = select(EVENTS.c.seq, EVENTS.c.hash).where(EVENTS.c.release == release)
    row = (await db.execute(query.order_by(EVENTS.c.seq.desc()).limit(1))).first()
    if row is None:
        raise Refused(await unknown(db, release))
    return Head(row.seq, row.hash)


async def _insert(
    db: AsyncConnection, release: str, event: Event, *, by: str, at: datetime, head: Head
) -> Recorded:
    seq, at = head.seq + 1, utc(at)
    digest = chain(head.hash, release=release, seq=seq, at=at, by=by, event=event)
    place = {"release": release, "seq": seq, "at": at, "by": by, "previous": head.hash, "hash": digest}
    await db.execute(insert(EVENTS).values(**place, kind=event.kind, event=event.model_dump_json()))
    return Recorded(**place, event=event)


def _as_stored(event: AnyEvent) -> AnyEvent:
    """What reading the row will give: the hash must be of that, not of what JSON cannot keep."""
    return cast(AnyEvent, EVENT.validate_json(event.model_dump_json()))


async def rows(db: AsyncConnection, release: str, *, after: int) -> tuple[Recorded, ...]:
    """The events numbered above *after*; raises LedgerBroken when one cannot be read."""
    query = select(*_ROW).where(EVENTS.c.release == release, EVENTS.c.seq > after)
    return tuple(_recorded(row) for row in await db.execute(query.order_by(EVENTS.c.seq)))


async def endings(db: AsyncConnection) -> dict[str, Recorded]:
    """The ``ended`` of every release that has one, by release."""
    query = select(*_ROW).where(EVENTS.c.kind == "ended").order_by(EVENTS.c.seq)
    return {row.release: _recorded(row) for row in await db.execute(query)}


def _recorded(row: SqlRow[Any]) -> Recorded:
    place = {"release": row.release, "seq": row.seq, "at": row.at, "by": row.by}
    try:
        event = EVENT.validate_json(row.event)
    except ValidationError as error:
        raise LedgerBroken(
            f"row {row.seq} of release {row.release!r} is no event that this phasegate knows: "
            f"{error.errors()[0]['msg']}; it was changed, or a newer phasegate wrote it"
        ) from None
    return Recorded(**place, event=event, previous=row.previous, hash=row.hash)


async def listed(db: AsyncConnection, *, active: bool | None, service: str) -> tuple[Row, ...]:
    """Releases, newest first."""
    newest = select(func.max(EVENTS.c.seq)).where(EVENTS.c.release == RELEASES.c.release)
    columns = (RELEASES.c.release, RELEASES.c.service, RELEASES.c.opened_at, RELEASES.c.active)
    query = select(*columns, newest.scalar_subquery().label("seq"))
    query = query.order_by(RELEASES.c.opened_at.desc(), RELEASES.c.release.desc())
    if active is not None:
        query = query.where(RELEASES.c.active == active)
    if service:
        query = query.where(RELEASES.c.service == service)
    found = (await db.execute(query)).all()
    return tuple(
        Row(release, name, opened_at, active=active, seq=seq)
        for release, name, opened_at, active, seq in found
    )


async def unknown(db: AsyncConnection, release: str) -> str:
    """What to say about a release that is not there, with the nearest names."""
    query = select(RELEASES.c.release).order_by(RELEASES.c.opened_at.desc()).limit(1000)
    names = list((await db.scalars(query)).all())
    near = get_close_matches(release, names, n=3, cutoff=0.5) or names[:3]
    if not near:
        return f"release {release!r} is not in the ledger, which is empty"
    return f"release {release!r} is not in the ledger; nearest: {', '.join(near)}"
