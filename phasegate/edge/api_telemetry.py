"""Workers Observability over REST."""

from starlette.requests import Request
from starlette.responses import Response

from phasegate.edge.api_context import Context, Route, object_of
from phasegate.edge.auth import Permission
from phasegate.edge.envelope import answer
from phasegate.edge.telemetry_query import read_keys, read_query, read_values, run_query


async def post_query(context: Context, request: Request) -> Response:
    """Filter, group and calculate."""
    body = await object_of(request)
    result = run_query(context.telemetry, read_query(body), query_id=str(body.get("queryId", "")))
    return answer(result)


async def post_keys(context: Context, request: Request) -> Response:
    """The keys that events have."""
    return answer(read_keys(context.telemetry, await object_of(request)))


async def post_values(context: Context, request: Request) -> Response:
    """The values that a key takes."""
    return answer(read_values(context.telemetry, await object_of(request)))


_T = "/accounts/{account}/workers/observability/telemetry"
ROUTES = (
    Route("POST", f"{_T}/query", post_query, Permission.OBSERVABILITY_WRITE),
    Route("POST", f"{_T}/keys", post_keys, Permission.OBSERVABILITY_WRITE),
    Route("POST", f"{_T}/values", post_values, Permission.OBSERVABILITY_WRITE),
)
