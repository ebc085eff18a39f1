"""HTTP connections of the API that can be cut without an answer, which ASGI has no word for."""

import asyncio
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_open: dict[Any, asyncio.Transport] = {}


class CuttableProtocol(HttpToolsProtocol):
    """uvicorn's HTTP, with its transport known by the client's address."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note the connection."""
        _open[transport.get_extra_info("peername")] = transport
        super().connection_made(transport)

    def handle_websocket_upgrade(self) -> None:
        """Forget the connection, which another protocol takes over."""
        _open.pop(self.client, None)
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        _open.pop(self.client, None)
        super().connection_lost(exc)


async def drop(scope: Scope) -> None:
    """Cut the connection of the request *scope*, so that its client gets no answer at all."""
    transport = _open.get(scope["client"])
    if transport is not None:
        transport.abort()
    # The protocol learns of it in the next turn of the loop, and then does not answer for us.
    await asyncio.sleep(0.01)
