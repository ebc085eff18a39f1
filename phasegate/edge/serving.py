"""Servers by uvicorn: as a part of the edge in its event loop, and one that ends when it is told to."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from types import FrameType

import uvicorn

START_LIMIT = 10.0
# How often uvicorn looks after its servers, in seconds; and how long an idle connection takes to close.
TICK = 0.1
IDLE = 0.01
A_DAY = 864_000


class NotStarted(RuntimeError):
    """The server does not take requests; the text says which."""


class PromptServer(uvicorn.Server):
    """Ends at once when it is told to and nothing is in flight; uvicorn's own ends some 0.2 s later."""

    _told: asyncio.Event | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    def tell_to_end(self) -> None:
        """Take no more requests; also from a signal's handler."""
        self.should_exit = True
        if self._loop is not None and self._told is not None:
            self._loop.call_soon_threadsafe(self._told.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal asks it to end, a second one to end now."""
        super().handle_exit(sig, frame)
        self.tell_to_end()

    async def main_loop(self) -> None:
        """Look after the servers until told to end."""
        self._loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        counter = 0
        while not await self.on_tick(counter):
            counter = (counter + 1) % A_DAY
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close what is idle, and leave what is not to uvicorn."""
        for server in self.servers:
            server.close()
        for one in sockets or ():
            one.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(IDLE)
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
        elif not self.force_exit:
            await self.lifespan.shutdown()


class PartServer(PromptServer):
    """Runs in the loop of whoever made it, and leaves signals to the program that the edge is part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    async def ready(self, serving: asyncio.Task[None], *, what: str) -> None:
        """Wait until requests are taken. Raises NotStarted."""
        deadline = asyncio.get_running_loop().time() + START_LIMIT
        while not self.started:
            if serving.done() or asyncio.get_running_loop().time() > deadline:
                raise NotStarted(f"{what} did not start")
            await asyncio.sleep(0.005)

    async def end(self, serving: asyncio.Task[None]) -> None:
        """Stop taking requests, give those in flight a second, and close."""
        self.tell_to_end()
        await serving
