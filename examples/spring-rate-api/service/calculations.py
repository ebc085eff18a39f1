"""``/api/calculations``: create, read, update, delete."""

import uuid
from typing import Any

import records
from connections import connect
from database import Database, Row
from paging import listing
from spring import Spring, invalid, parse_id, parse_spring
from web import HttpError, Request, Response, json_response

__all__ = ["create", "listing", "preview", "remove", "show", "update"]

# JavaScript, in which most clients and the database's binding are written, keeps no larger one exactly.
MAX_EXACT = 2**53 - 1

_SELECT = f"SELECT {records.COLUMNS} FROM calculations WHERE owner = ?1 AND id = ?2"
_UPDATE = """
UPDATE calculations SET manufacturer = ?3, part_number = ?4, material = ?5, units = ?6, d = ?7, big_d = ?8,
  n = ?9, k = ?10, version = version + 1, updated_at = MAX(updated_at, ?11), digest = ?12,
  seq = (SELECT MAX(seq) + 1 FROM calculations WHERE owner = ?1)
WHERE owner = ?1 AND id = ?2 AND deleted = 0
"""
_REMOVE = """
UPDATE calculations SET deleted = 1, version = version + 1, updated_at = MAX(updated_at, ?3), digest = ?4,
  seq = (SELECT MAX(seq) + 1 FROM calculations WHERE owner = ?1)
WHERE owner = ?1 AND id = ?2 AND deleted = 0
"""


async def preview(request: Request) -> Response:
    """``POST /api/calculations/preview``: the rate k, nothing stored."""
    spring = parse_spring(request.json())
    return json_response({"k": spring.k, "units": spring.units})


async def create(request: Request) -> Response:
    """
    ``POST /api/calculations``: 201 with the calculation.

    The client may choose the ``id``; sending the same one again answers 200 with
    what is stored, so that a request repeated after a lost answer does no harm.
    """
    body = request.json()
    spring = parse_spring(body)
    record_id = parse_id(body["id"]) if "id" in body else str(uuid.uuid4())
    database = await connect(request.env)
    sql, params = records.upsert(
        request.owner,
        record_id,
        spring,
        updated_at=records.now(),
        deleted=False,
        when=records.ONLY_A_TOMBSTONE,
    )
    created = await database.write(sql, *params)
    row = await _stored(database, request.owner, record_id)
    return json_response(records.to_json(row), 201 if created else 200)


async def show(request: Request) -> Response:
    """``GET /api/calculations/:id``."""
    database = await connect(request.env)
    return json_response(records.to_json(await _stored(database, request.owner, request.params["id"])))


async def update(request: Request) -> Response:
    """
    ``PUT /api/calculations/:id``: replace the calculation.

    With ``version`` in the body the write happens only if that is still the stored
    version (409 otherwise); without it, the last write wins.
    """
    body = request.json()
    spring, expected = parse_spring(body), _version(body)
    database = await connect(request.env)
    record_id = request.params["id"]
    condition = "" if expected is None else " AND version = ?13"
    params = _update_params(request.owner, record_id, spring)
    changed = await database.write(_UPDATE + condition, *params, *([] if expected is None else [expected]))
    row = await _stored(database, request.owner, record_id)
    if not changed:
        raise _stale(row, expected)
    return json_response(records.to_json(row))


async def remove(request: Request) -> Response:
    """``DELETE /api/calculations/:id``: 204; a tombstone stays for the sync."""
    database = await connect(request.env)
    record_id = request.params["id"]
    row = await _stored(database, request.owner, record_id)
    digest = _spring(row).digest(deleted=True)
    if not await database.write(_REMOVE, request.owner, record_id, records.now(), digest):
        raise _not_found(record_id)
    return Response(204, b"", "application/json")


async def _stored(database: Database, owner: str, record_id: str) -> Row:
    row = await database.row(_SELECT, owner, record_id)
    if row is None or row["deleted"]:
        raise _not_found(record_id)
    return row


def _update_params(owner: str, record_id: str, spring: Spring) -> tuple[Any, ...]:
    _, params = records.upsert(owner, record_id, spring, updated_at=records.now(), deleted=False, when="")
    return params[:12]


def _spring(row: Row) -> Spring:
    names = ("manufacturer", "part_number", "material", "units", "d", "big_d", "n")
    return Spring(*(row[name] for name in names))


def _version(body: dict[str, Any]) -> int | None:
    version = body.get("version")
    if version is None:
        return None
    if not isinstance(version, int) or isinstance(version, bool) or abs(version) > MAX_EXACT:
        raise invalid("version", "must be the whole number you read, or be left out")
    return version


def _stale(row: Row, expected: int | None) -> HttpError:
    message = f"calculation {row['id']} is at version {row['version']}, not {expected}; read it again"
    return HttpError(409, "stale-version", message)


def _not_found(record_id: str) -> HttpError:
    return HttpError(404, "not-found", f"there is no calculation {record_id[:64]}")
