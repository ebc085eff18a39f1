"""Tails over REST, and the WebSocket that each is watched through."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from phasegate.edge.api_context import Context, Route, body_of
from phasegate.edge.auth import Permission
from phasegate.edge.envelope import ApiError, answer
from phasegate.edge.tails import Tail

PROTOCOL = "trace-v1"
WATCH = "/client/v4/tails"


async def create_tail(context: Context, request: Request) -> Response:
    """A new tail: ``{id, url, expires_at}``; the WebSocket at *url* needs no token."""
    tail = context.tails.open(context.script(request).name, await body_of(request))
    scheme = "wss" if request.url.scheme == "https" else "ws"
    url = request.url.replace(scheme=scheme, path=f"{WATCH}/{tail.ticket}", query="")
    return answer({"id": tail.id, "url": str(url), "expires_at": tail.expires.isoformat(timespec="seconds")})


async def delete_tail(context: Context, request: Request) -> Response:
    """End a tail."""
    if not context.tails.close(request.path_params["tail"]):
        raise ApiError(404, 10000, "there is no such tail")
    return answer(None)


async def watch(context: Context, websocket: WebSocket) -> None:
    """Send what happens as JSON, in binary messages as Cloudflare does; the tail ends with its connection."""
    offered = PROTOCOL in websocket.scope["subprotocols"]
    tail = context.tails.watch(websocket.path_params["ticket"]) if offered else None
    if tail is None:
        # Before it was accepted this is HTTP 403.
        await websocket.close()
        return
    await websocket.accept(subprotocol=PROTOCOL)
    left = asyncio.create_task(_left(websocket, tail))
    try:
        async for event in tail.events():
            await websocket.send_json(event, mode="binary")
        await websocket.close()
    except (WebSocketDisconnect, RuntimeError):
        # The viewer went first; how that shows depends on who was writing.
        pass
    finally:
        left.cancel()
        tail.end()


async def _left(websocket: WebSocket, tail: Tail) -> None:
    """Read what the viewer sends, which asks for nothing, until it goes."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
    tail.end()


_S = "/accounts/{account}/workers/scripts/{script}/tails"
ROUTES = (
    Route("POST", _S, create_tail, Permission.TAIL_READ),
    Route("DELETE", f"{_S}/{{tail}}", delete_tail, Permission.TAIL_READ),
)
