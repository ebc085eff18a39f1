"""D1 over REST: databases, queries, time travel."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from phasegate.edge.api_context import Context, Route, body_of, object_of
from phasegate.edge.auth import Permission
from phasegate.edge.d1 import Outcome, Statement
from phasegate.edge.d1_databases import NoDatabase
from phasegate.edge.d1_sql import D1Error
from phasegate.edge.envelope import ApiError, answer, page
from phasegate.edge.state import DatabaseRecord

_SUCCESS = {"success": True}


async def list_databases(context: Context, request: Request) -> Response:
    """All databases, or the one of ``?name=``."""
    name = request.query_params.get("name")
    found = [record for record in context.state.databases() if name in (None, record.name)]
    return page([_described(record) for record in found])


async def create_database(context: Context, request: Request) -> Response:
    """A new, empty database."""
    name = (await object_of(request)).get("name")
    if not isinstance(name, str) or not name.strip():
        raise ApiError(400, 7400, "A database needs a name")
    try:
        return answer(_described(context.databases.create(name)))
    except D1Error as error:
        raise ApiError(400, 7502, str(error)) from None


async def get_database(context: Context, request: Request) -> Response:
    """One database with its size."""
    record = database_record(context, request)
    size, tables = await context.databases.use(record.id, lambda database: (database.size, database.tables()))
    return answer(_described(record) | {"file_size": size, "num_tables": tables})


async def delete_database(context: Context, request: Request) -> Response:
    """Remove a database and its history."""
    await context.databases.delete(database_record(context, request).id)
    return answer(None)


async def query(context: Context, request: Request) -> Response:
    """Run SQL as one transaction; the result has one entry for each statement, its rows as objects."""
    outcomes = await _run(context, request)
    return answer([_SUCCESS | {"results": each.objects(), "meta": each.meta} for each in outcomes])


async def raw(context: Context, request: Request) -> Response:
    """As `query`, the rows as lists beside the names of the columns."""
    outcomes = await _run(context, request)
    tables = [{"columns": each.columns, "rows": each.rows} for each in outcomes]
    return answer(
        [
            _SUCCESS | {"results": table, "meta": each.meta}
            for table, each in zip(tables, outcomes, strict=True)
        ]
    )


async def get_bookmark(context: Context, request: Request) -> Response:
    """The bookmark of now or of ``?timestamp=``."""
    record = database_record(context, request)
    moment = _moment(request)
    return answer({"bookmark": await _bookmark(context, record, moment)})


async def restore(context: Context, request: Request) -> Response:
    """Put the database back, in place, to ``?bookmark=`` or ``?timestamp=``."""
    record = database_record(context, request)
    wanted, moment = request.query_params.get("bookmark"), _moment(request)
    if (wanted is None) is (moment is None):
        raise ApiError(400, 7400, "Give either bookmark or timestamp")
    bookmark = wanted if wanted is not None else await _bookmark(context, record, moment)
    try:
        done = await context.databases.use(record.id, lambda database: database.restore(bookmark))
    except D1Error as error:
        raise ApiError(400, 7500, str(error)) from None
    message = f"Database restored to bookmark {bookmark}"
    return answer({"bookmark": done.bookmark, "previous_bookmark": done.previous, "message": message})


async def _bookmark(context: Context, record: DatabaseRecord, moment: float | None) -> str:
    try:
        return await context.databases.use(record.id, lambda database: database.bookmark(moment))
    except D1Error as error:
        raise ApiError(400, 7500, str(error)) from None


async def _run(context: Context, request: Request) -> list[Outcome]:
    record = database_record(context, request)
    statements = read_statements(await body_of(request))
    try:
        return await context.databases.run(record.id, statements)
    except D1Error as error:
        raise ApiError(400, 7500, str(error)) from None


def read_statements(body: Any) -> list[Statement]:
    """The statements of a ``{sql, params?}`` body, or of a ``{batch: [{sql, params?}, …]}`` one."""
    batch = body.get("batch", [body]) if isinstance(body, Mapping) else None
    if not isinstance(batch, list) or not all(isinstance(item, Mapping) for item in batch):
        raise ApiError(400, 7400, "The body must be {sql, params}")
    return [_statement(item) for item in batch]


def _statement(item: Mapping[str, Any]) -> Statement:
    sql, params = item.get("sql"), item.get("params") or []
    if not isinstance(sql, str) or not isinstance(params, list):
        raise ApiError(400, 7400, "sql must be a text, params a list")
    return Statement(sql, tuple(params))


def database_record(context: Context, request: Request) -> DatabaseRecord:
    """The database that the path names, or 404."""
    database_id = request.path_params["database"]
    try:
        return context.databases.record(database_id)
    except NoDatabase:
        raise ApiError(404, 7404, f"The database {database_id} could not be found") from None


def _moment(request: Request) -> float | None:
    text = request.query_params.get("timestamp")
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ApiError(400, 7400, f"timestamp is {text!r}; allowed: ISO 8601") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _described(record: DatabaseRecord) -> dict[str, Any]:
    return {"uuid": record.id, "name": record.name, "created_at": record.created_on, "version": "production"}


_A = "/accounts/{account}/d1/database"
_D = f"{_A}/{{database}}"
_READ, _WRITE = Permission.D1_READ, Permission.D1_WRITE
ROUTES = (
    Route("GET", _A, list_databases, _READ),
    Route("POST", _A, create_database, _WRITE),
    Route("GET", _D, get_database, _READ),
    Route("DELETE", _D, delete_database, _WRITE),
    Route("POST", f"{_D}/query", query, _WRITE),
    Route("POST", f"{_D}/raw", raw, _WRITE),
    Route("GET", f"{_D}/time_travel/bookmark", get_bookmark, _READ),
    Route("POST", f"{_D}/time_travel/restore", restore, _WRITE),
)
