"""
``/api/sync``: both directions in one exchange.

The rule is last write wins by ``updatedAt``; equal times are decided by the content's
digest. Both are properties of the writes alone, so every order of arrival ends in the
same state. ``since`` is the ``cursor`` of the previous answer, 0 at first.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import records
from connections import connect
from database import Database, Row
from paging import page_number
from spring import Spring, invalid, parse_id, parse_spring
from web import HttpError, Request, Response, json_response

# D1 binds at most 100 parameters to a statement; one of them is the owner.
MAX_CHANGES = 99
PAGE = 500
MAX_SEQ = 99_999_999
MAX_CLOCK_AHEAD = timedelta(minutes=5)

_SINCE = (
    f"SELECT {records.COLUMNS} FROM calculations WHERE owner = ?1 AND seq > ?2 ORDER BY seq LIMIT {PAGE + 1}"
)


@dataclass(frozen=True, slots=True)
class Change:
    """One calculation as a client changed it, maybe long ago and offline."""

    id: str
    spring: Spring
    updated_at: str
    deleted: bool

    @property
    def digest(self) -> str:
        """The stable name of the content."""
        return self.spring.digest(deleted=self.deleted)


async def pull(request: Request) -> Response:
    """``GET /api/sync?since=``: what the server has that the client has not seen."""
    since = page_number(request.query(), "since", 0, MAX_SEQ, lowest=0)
    database = await connect(request.env)
    rows = await database.rows(_SINCE, request.owner, since)
    return json_response(_answer(since, rows))


async def exchange(request: Request) -> Response:
    """
    ``POST /api/sync {since, changes: [...]}``: send and receive.

    Answers ``{applied: [id], conflicts: [{id, winner, clientUpdatedAt, serverUpdatedAt}],
    changes, cursor, more}``. A conflict is a calculation that both sides changed, to different
    content, since the client last looked.
    """
    body = request.json()
    since = page_number({"since": str(body.get("since", 0))}, "since", 0, MAX_SEQ, lowest=0)
    changes = _changes(body)
    database = await connect(request.env)
    before = await _stored(database, request.owner, changes)
    won = await _apply(database, request.owner, changes)
    rows = await database.rows(_SINCE, request.owner, since)
    answer = _answer(since, rows)
    answer["applied"] = [change.id for change in changes if change.id in won]
    answer["conflicts"] = [
        _conflict(change, before[change.id], won=change.id in won)
        for change in changes
        if _collides(change, before.get(change.id), since)
    ]
    return json_response(answer)


async def _stored(database: Database, owner: str, changes: tuple[Change, ...]) -> dict[str, Row]:
    if not changes:
        return {}
    marks = ", ".join(f"?{place}" for place in range(2, len(changes) + 2))
    sql = f"SELECT id, updated_at, digest, seq FROM calculations WHERE owner = ?1 AND id IN ({marks})"
    rows = await database.rows(sql, owner, *(change.id for change in changes))
    return {row["id"]: row for row in rows}


async def _apply(database: Database, owner: str, changes: tuple[Change, ...]) -> set[str]:
    if not changes:
        return set()
    statements = [
        records.upsert(
            owner,
            change.id,
            change.spring,
            updated_at=change.updated_at,
            deleted=change.deleted,
            when=records.LAST_WRITE_WINS,
        )
        for change in changes
    ]
    outcomes = await database.batch(*statements)
    return {change.id for change, outcome in zip(changes, outcomes, strict=True) if outcome.changes}


def _collides(change: Change, stored: Row | None, since: int) -> bool:
    return stored is not None and stored["seq"] > since and stored["digest"] != change.digest


def _conflict(change: Change, stored: Row, *, won: bool) -> dict[str, str]:
    return {
        "id": change.id,
        "winner": "client" if won else "server",
        "clientUpdatedAt": change.updated_at,
        "serverUpdatedAt": stored["updated_at"],
    }


def _answer(since: int, rows: list[Row]) -> dict[str, Any]:
    page = rows[:PAGE]
    return {
        "changes": [records.to_json(row) for row in page],
        "cursor": page[-1]["seq"] if page else since,
        "more": len(rows) > PAGE,
    }


def _changes(body: dict[str, Any]) -> tuple[Change, ...]:
    raw = body.get("changes", [])
    if not isinstance(raw, list) or len(raw) > MAX_CHANGES:
        raise invalid("changes", f"must be a list of at most {MAX_CHANGES} calculations")
    changes = tuple(_change(index, item) for index, item in enumerate(raw))
    if len({change.id for change in changes}) != len(changes):
        raise invalid("changes", "must name each id once")
    return changes


def _change(index: int, item: Any) -> Change:
    if not isinstance(item, dict):
        raise invalid(f"changes[{index}]", "must be an object")
    try:
        return Change(
            id=parse_id(item.get("id")),
            spring=parse_spring(item),
            updated_at=_moment(item.get("updatedAt")),
            deleted=item.get("deleted", False) is True,
        )
    except HttpError as error:
        raise HttpError(error.status, error.code, f"changes[{index}]: {error}") from error


def _moment(value: Any) -> str:
    rule = "must be a time such as 2026-02-17T02:00:00.000Z"
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise invalid("updatedAt", rule) from error
    if moment.tzinfo is None:
        raise invalid("updatedAt", rule)
    # A clock far ahead would win against every later edit, for ever.
    if moment > datetime.now(UTC) + MAX_CLOCK_AHEAD:
        raise invalid("updatedAt", f"is more than {MAX_CLOCK_AHEAD} ahead of the server's clock")
    return records.stamp(moment)
