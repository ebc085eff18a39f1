"""The body of one request: held until a version is there, then passed on as it comes."""

import asyncio

from phasegate.edge.splitter_head import RequestHead
from phasegate.edge.splitter_upstream import UpstreamConnection

HELD_LIMIT = 64 * 1024


class RequestBody:
    """``complete`` once it has all arrived, ``sent`` once any of it has gone to a version."""

    def __init__(self, head: RequestHead | None) -> None:
        self.complete = head is None
        self.sent = False
        self._chunked = head is not None and head.chunked
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._to: asyncio.Transport | None = None

    @property
    def overfull(self) -> bool:
        """Whether more is held than should be."""
        return self._held_bytes > HELD_LIMIT

    def attach(self, connection: UpstreamConnection) -> None:
        """Send what is held, and from now on what comes, to *connection*."""
        self._to = connection.transport
        held, self._held, self._held_bytes = self._held, [], 0
        for piece in held:
            self.add(piece)
        if self.complete:
            self.end()

    def add(self, data: bytes) -> None:
        """A piece has arrived."""
        if self._to is None:
            self._held.append(data)
            self._held_bytes += len(data)
        else:
            self.sent = True
            self._to.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def end(self) -> None:
        """The last piece has arrived."""
        self.complete = True
        if self._to is not None and self._chunked:
            self.sent = True
            self._to.write(b"0\r\n\r\n")

    def detach(self) -> None:
        """The connection is gone; what comes is held again."""
        self._to = None

    def drop(self) -> None:
        """Nobody waits for it any more."""
        self._held.clear()
        self._held_bytes = 0
        self.detach()
