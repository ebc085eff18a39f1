"""The Worker: the route table and the ASGI callable ``app``."""

import json
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import assets
import calculations
import health
import materials
import sessions
import summary
import sync
import telemetry
from routing import Route, Router
from web import ClientGone, HttpError, Receive, Request, Response, Send, read_request

router = Router(
    (
        Route("GET", "/health", health.check, needs_session=False),
        Route("GET", "/", assets.page, needs_session=False),
        Route("GET", "/sw.js", assets.page, needs_session=False),
        Route("GET", "/api/materials", materials.listing, needs_session=False),
        Route("POST", "/api/sessions", sessions.create, needs_session=False),
        Route("POST", "/api/sessions/refresh", sessions.refresh, needs_session=False),
        Route("DELETE", "/api/sessions", sessions.revoke),
        Route("GET", "/api/calculations", calculations.listing),
        Route("POST", "/api/calculations", calculations.create),
        Route("POST", "/api/calculations/preview", calculations.preview, needs_session=False),
        Route("GET", "/api/calculations/summary", summary.show),
        Route("GET", "/api/calculations/:id", calculations.show),
        Route("PUT", "/api/calculations/:id", calculations.update),
        Route("DELETE", "/api/calculations/:id", calculations.remove),
        Route("GET", "/api/sync", sync.pull),
        Route("POST", "/api/sync", sync.exchange),
    )
)


async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Serve one ASGI connection; ``scope["env"]`` holds the bindings."""
    if scope["type"] == "lifespan":
        return await _lifespan(receive, send)
    if scope["type"] != "http":
        raise ValueError(f"this service speaks http, not {scope['type']}")
    try:
        response = await _answer(scope, receive)
    except ClientGone:
        return None
    return await response.send(send, scope["env"])


async def _answer(scope: MutableMapping[str, Any], receive: Receive) -> Response:
    try:
        request = await read_request(scope, receive)
        response = await _dispatch(request)
        telemetry.observe(request, response)
        return response
    except ClientGone:
        raise
    except HttpError as error:
        return error.response()
    except Exception as error:
        _log(scope, error)
        return HttpError(500, "internal", "the service failed to answer; it has been logged").response()


async def _dispatch(request: Request) -> Response:
    try:
        route = router.match(request)
        if route.needs_session:
            request.owner = sessions.owner_of(request)
        return await route.handler(request)
    except HttpError as error:
        return error.response()


def _log(scope: MutableMapping[str, Any], error: Exception) -> None:
    line = {
        "level": "error",
        "method": scope["method"],
        "path": scope["path"],
        "error": f"{type(error).__name__}: {error}",
        "where": traceback.format_tb(error.__traceback__)[-1].strip(),
    }
    print(json.dumps(line), file=sys.stderr, flush=True)


async def _lifespan(receive: Receive, send: Send) -> None:
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})
