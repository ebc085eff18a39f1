"""Between uvicorn and a version's own ASGI callable: hands over ``env``, tells a throw from an answer."""

import sys
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from phasegate.edge.worker_bindings import Env

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

THROWN = b"Internal Server Error"
THROWN_HEADERS = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", str(len(THROWN)).encode()),
    (b"x-edge-outcome", b"exception"),
]


def with_env(app: App, env: Env) -> App:
    """
    *app* with ``scope["env"]``, as the ASGI adapter of Cloudflare's Python Workers hands it over.

    A throw before the answer began becomes a 500 marked for the splitter; a 500 that
    the app itself answers is left unmarked.
    """

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        scope["env"] = env
        if scope["type"] != "http":
            return await app(scope, receive, send)
        began = False

        async def noting(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await app(scope, receive, noting)
            if not began:
                print(
                    f"{scope['method']} {scope['path']}: returned without an answer",
                    file=sys.stderr,
                    flush=True,
                )
        except Exception:
            if began:
                raise
            traceback.print_exc()
        if not began:
            await _answer_thrown(send)
        return None

    return serve


async def _answer_thrown(send: Send) -> None:
    await send({"type": "http.response.start", "status": 500, "headers": THROWN_HEADERS})
    await send({"type": "http.response.body", "body": THROWN})
