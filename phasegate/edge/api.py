"""The local Cloudflare API as one ASGI application."""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as WebRoute
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from phasegate.edge import (
    api_account,
    api_assets,
    api_d1,
    api_d1_import,
    api_deployments,
    api_edge,
    api_graphql,
    api_scripts,
    api_tails,
    api_telemetry,
    api_versions,
)
from phasegate.edge.api_context import Context, Route
from phasegate.edge.auth import RateLimited, demand, token_of
from phasegate.edge.envelope import ApiError, refusal, unrouted
from phasegate.edge.faults_http import FaultyApi

PREFIX = "/client/v4"
_ROUTES = tuple(
    route
    for module in (
        api_account,
        api_assets,
        api_scripts,
        api_versions,
        api_deployments,
        api_tails,
        api_telemetry,
        api_d1,
        api_d1_import,
        api_graphql,
    )
    for route in module.ROUTES
)


def build(context: Context) -> ASGIApp:
    """The API over *context*, with its faults in front."""
    routes = [_web_route(context, route, prefix=PREFIX) for route in _ROUTES]
    own = [_web_route(context, route, prefix="", limited=False) for route in api_edge.ROUTES]
    app = Starlette(
        routes=[*routes, *own, _watch_route(context)],
        exception_handlers={HTTPException: _unrouted, ApiError: _refused, Exception: _broken},
    )
    # A path of another method is unknown too, as at Cloudflare.
    app.router.redirect_slashes = False
    return FaultyApi(app, faults=context.faults, calls=context.calls)


def _web_route(context: Context, route: Route, *, prefix: str, limited: bool = True) -> WebRoute:
    async def serve(request: Request) -> Response:
        if route.own_token:
            _check_account(context, request)
            return await route.endpoint(context, request)
        token = token_of(request.headers, context.config.tokens)
        headers = context.limiter.count(token) if limited else {}
        _check_account(context, request)
        demand(route.permission, granted=context.config.tokens[token])
        response = await route.endpoint(context, request)
        response.headers.update(headers)
        return response

    return WebRoute(prefix + route.path, _named(serve, route), methods=[route.method])


def _watch_route(context: Context) -> WebSocketRoute:
    async def watch(websocket: WebSocket) -> None:
        await api_tails.watch(context, websocket)

    return WebSocketRoute(f"{api_tails.WATCH}/{{ticket}}", watch)


def _named(
    serve: Callable[[Request], Awaitable[Response]], route: Route
) -> Callable[[Request], Awaitable[Response]]:
    serve.__name__ = route.endpoint.__name__
    return serve


def _check_account(context: Context, request: Request) -> None:
    account = request.path_params.get("account")
    if account is not None and account != context.config.account_id:
        if len(account) != 32:
            raise unrouted(request.url.path)
        raise ApiError(403, 10000, "Authentication error (the token is of another account)")


async def _unrouted(request: Request, error: Exception) -> Response:
    return refusal(unrouted(request.url.path))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    headers = {"retry-after": str(int(error.retry_after) + 1)} if isinstance(error, RateLimited) else None
    return refusal(error, headers=headers)


async def _broken(request: Request, error: Exception) -> Response:
    # The server logs the traceback.
    return refusal(ApiError(500, 10013, "An unknown error has occurred"))
