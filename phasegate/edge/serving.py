"""A uvicorn server as a part of the edge, in its event loop."""

import asyncio
import contextlib
from collections.abc import Iterator

import uvicorn

START_LIMIT = 10.0


class NotStarted(RuntimeError):
    """The server does not take requests; the text says which."""


class PartServer(uvicorn.Server):
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
        self.should_exit = True
        await serving
