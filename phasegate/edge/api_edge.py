"""What only a local edge has: its faults, the record of its calls, its processes, below ``/edge``."""

from starlette.requests import Request
from starlette.responses import Response

from phasegate.edge.api_context import Context, Route, body_of
from phasegate.edge.envelope import ApiError, answer
from phasegate.edge.faults import Fault, FaultError


async def get_faults(context: Context, request: Request) -> Response:
    """The rules in force."""
    return answer(context.faults.describe())


async def put_faults(context: Context, request: Request) -> Response:
    """Have exactly the rules of the body: a list of them, or ``{"rules": [...]}``."""
    body = await body_of(request)
    rules = body.get("rules") if isinstance(body, dict) else body
    if not isinstance(rules, list):
        raise ApiError(400, 10001, "The body must be a list of rules")
    try:
        context.faults.replace(*(Fault.read(rule) for rule in rules))
    except FaultError as error:
        raise ApiError(400, 10001, f"Invalid fault: {error}") from None
    return answer(context.faults.describe())


async def delete_faults(context: Context, request: Request) -> Response:
    """Have no faults."""
    context.faults.clear()
    return answer([])


async def get_calls(context: Context, request: Request) -> Response:
    """The calls of the API so far, oldest first."""
    return answer(context.calls.describe())


async def delete_calls(context: Context, request: Request) -> Response:
    """Forget the calls so far."""
    context.calls.clear()
    return answer([])


async def get_running(context: Context, request: Request) -> Response:
    """The versions that have a process now, with its id and the bytes it holds in memory."""
    return answer(context.live.describe())


ROUTES = (
    Route("GET", "/edge/faults", get_faults),
    Route("PUT", "/edge/faults", put_faults),
    Route("DELETE", "/edge/faults", delete_faults),
    Route("GET", "/edge/calls", get_calls),
    Route("DELETE", "/edge/calls", delete_calls),
    Route("GET", "/edge/running", get_running),
)
