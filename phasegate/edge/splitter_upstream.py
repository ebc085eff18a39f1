"""The splitter's connections to the running versions, and the pool of idle ones."""

import asyncio
from collections import defaultdict
from typing import Protocol, cast

import httptools

from phasegate.edge.splitter_head import AnswerHead, Header, read_answer

MAX_IDLE = 64
ANSWER_HEAD_LIMIT = 256 * 1024


class Asking(Protocol):
    """Whoever waits for an answer on a connection."""

    def answer_head(self, head: AnswerHead) -> None:
        """The head has arrived; informational ones are not reported."""

    def answer_body(self, data: bytes) -> None:
        """A piece of the body."""

    def answer_end(self, *, reusable: bool) -> None:
        """The answer is complete; *reusable* says the connection may carry another request."""

    def upstream_lost(self, error: Exception | None) -> None:
        """The connection has ended before the answer did."""

    def upstream_ready(self) -> None:
        """The connection takes bytes again after ``full`` was true."""


class UpstreamConnection(asyncio.Protocol):
    """One connection to a version; carries one request at a time."""

    transport: asyncio.Transport

    def __init__(self, pool: "UpstreamPool", version_id: str) -> None:
        self.version_id = version_id
        self.asking: Asking | None = None
        self.full = False
        self.reused = False
        self.idle_since = 0.0
        self._pool = pool
        self._parser = httptools.HttpResponseParser(self)
        self._reason = b""
        self._headers: list[Header] = []
        self._head: AnswerHead | None = None
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Kept for writing."""
        # uvloop's transports are none of asyncio's classes, so there is nothing to check.
        self.transport = cast(asyncio.Transport, transport)
        self._pool.opened(self)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; a version that does not speak HTTP, or speaks unasked, is cut off."""
        if self.asking is None:
            self.transport.abort()
            return
        if self._head is None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.transport.abort()
        if self._head is None and self._head_bytes > ANSWER_HEAD_LIMIT:
            self.transport.abort()

    def eof_received(self) -> None:
        """A body without a length ends with the connection."""
        head, asking = self._head, self.asking
        if asking and head and head.length is None and not head.chunked:
            self.asking = None
            asking.answer_end(reusable=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._pool.discard(self)
        asking, self.asking = self.asking, None
        if asking is not None:
            asking.upstream_lost(exc)

    def pause_writing(self) -> None:
        """The version takes no more for now."""
        self.full = True

    def resume_writing(self) -> None:
        """The version takes more."""
        self.full = False
        if self.asking is not None:
            self.asking.upstream_ready()

    def on_status(self, status: bytes) -> None:
        """Parser callback; may come in pieces."""
        self._reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        """Parser callback; trailers are dropped."""
        if self._head is None:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Parser callback."""
        status = self._parser.get_status_code()
        if status >= 200 and self.asking is not None:
            self._head = read_answer(status, self._reason, self._headers)
            self.asking.answer_head(self._head)

    def on_body(self, body: bytes) -> None:
        """Parser callback."""
        if self.asking is not None:
            self.asking.answer_body(body)

    def on_message_complete(self) -> None:
        """Parser callback."""
        final, self._head = self._head, None
        self._headers, self._reason, self._head_bytes = [], b"", 0
        if final is not None and self.asking is not None:
            asking, self.asking = self.asking, None
            asking.answer_end(reusable=self._parser.should_keep_alive())

    def drop(self) -> None:
        """Close without a word to anyone."""
        self.asking = None
        self.transport.abort()


class UpstreamPool:
    """Idle connections, by version; the last one used is taken first."""

    def __init__(self) -> None:
        self._idle: defaultdict[str, list[UpstreamConnection]] = defaultdict(list)
        self._open: set[UpstreamConnection] = set()

    def take(self, version_id: str) -> UpstreamConnection | None:
        """An idle connection, or None."""
        idle = self._idle[version_id]
        while idle:
            connection = idle.pop()
            if not connection.transport.is_closing():
                connection.reused = True
                return connection
        return None

    async def connect(self, version_id: str, path: str) -> UpstreamConnection:
        """A fresh connection to the socket *path*. Raises OSError."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_unix_connection(lambda: UpstreamConnection(self, version_id), path)
        return connection

    def opened(self, connection: UpstreamConnection) -> None:
        """Remember a connection until it ends."""
        self._open.add(connection)

    def give(self, connection: UpstreamConnection) -> None:
        """Keep a connection whose answer is complete for the next request."""
        idle = self._idle[connection.version_id]
        if connection.transport.is_closing() or len(idle) >= MAX_IDLE:
            connection.drop()
            return
        connection.idle_since = asyncio.get_running_loop().time()
        idle.append(connection)

    def discard(self, connection: UpstreamConnection) -> None:
        """Forget a connection that has ended."""
        self._open.discard(connection)
        idle = self._idle.get(connection.version_id, [])
        if connection in idle:
            idle.remove(connection)
        if not idle:
            self._idle.pop(connection.version_id, None)

    def close_idle(self, *, before: float) -> None:
        """Close what has been idle since *before* (loop time)."""
        for connections in tuple(self._idle.values()):
            for connection in tuple(connections):
                if connection.idle_since <= before:
                    connection.transport.close()

    def close(self) -> None:
        """Close every connection."""
        for connection in tuple(self._open):
            connection.transport.abort()
