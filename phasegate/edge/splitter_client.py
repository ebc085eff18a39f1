"""One client's connection: requests in, answers out in the same order."""

import asyncio
from collections import deque
from typing import Protocol, cast

import httptools

from phasegate.edge.splitter_exchange import Exchange
from phasegate.edge.splitter_head import BadRequest, Header, RequestHead, read_head
from phasegate.edge.splitter_ports import Front, Over

PUT_OFF = 0.002


class FrontDoor(Front, Protocol):
    """What a client's connection needs of the splitter."""

    def opened(self, client: "ClientConnection") -> None:
        """A client has connected."""

    def closed(self, client: "ClientConnection") -> None:
        """A client has gone."""


class ClientConnection(asyncio.Protocol):
    """
    Parses requests and hands each to an exchange, one at a time.

    Requests sent ahead wait; nothing more is read while one waits or while the
    version cannot take more of a body.
    """

    transport: asyncio.Transport

    def __init__(self, front: FrontDoor) -> None:
        self.ip = ""
        self.full = False
        self._front = front
        self._parser = httptools.HttpRequestParser(self)
        self._active: Exchange | None = None
        self._queue: deque[Exchange] = deque()
        self._receiving: Exchange | None = None
        self._in_head = False
        self._head_since = 0.0
        self._target = b""
        self._headers: list[Header] = []
        self._head_bytes = 0
        self._heard = 0.0
        self._close_at: float | None = None
        self._deaf = False
        self._held = False
        self._pumping = False
        self._put_off = b""
        self._put_off_until: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Kept for writing."""
        # uvloop's transports are none of asyncio's classes, so there is nothing to check.
        self.transport = cast(asyncio.Transport, transport)
        self.ip = self.transport.get_extra_info("peername")[0]
        self._heard = asyncio.get_running_loop().time()
        self._front.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone: what it asked for is of no use to anyone."""
        self._front.closed(self)
        self._deaf = True
        self._put_off = b""
        self._queue.clear()
        if self._active is not None:
            self._active.cancel()

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self._heard = asyncio.get_running_loop().time()
        if self._deaf:
            return
        was_in_head = self._in_head
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(BadRequest(501, "upgrades are not offered here"))
        except httptools.HttpParserError as error:
            self._refuse(BadRequest(400, f"not HTTP: {error}"))
        if self._in_head and was_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self._front.limits.head:
                self._refuse(self._too_large())

    def pause_writing(self) -> None:
        """The client takes no more for now."""
        self.full = True
        if self._active is not None:
            self._active.client_full()

    def resume_writing(self) -> None:
        """The client takes more."""
        self.full = False
        if self._active is not None:
            self._active.client_ready()

    def on_message_begin(self) -> None:
        """Parser callback."""
        self._in_head, self._head_since = True, self._heard
        self._target, self._headers, self._head_bytes = b"", [], 0

    def on_url(self, url: bytes) -> None:
        """Parser callback; may come in pieces."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Parser callback; trailers are dropped."""
        if self._in_head:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Parser callback: a request can begin."""
        self._in_head = False
        if self._deaf:
            return
        try:
            head = self._head()
        except BadRequest as refusal:
            self._refuse(refusal)
            return
        self._receiving = Exchange(self._front, self, head)
        self._enqueue(self._receiving)

    def on_body(self, body: bytes) -> None:
        """Parser callback."""
        if self._receiving is not None:
            self._receiving.body(body)

    def on_message_complete(self) -> None:
        """Parser callback."""
        done, self._receiving = self._receiving, None
        if done is None:
            return
        done.body_end()
        if self._close_at is not None and not self._deaf and self._active is None:
            self._close_at = None
            self._pump()

    def _head(self) -> RequestHead:
        parser = self._parser
        size = len(self._target) + sum(len(name) + len(value) for name, value in self._headers)
        if size > self._front.limits.head:
            raise self._too_large()
        if parser.should_upgrade() or parser.get_method() == b"CONNECT":
            raise BadRequest(501, "upgrades and tunnels are not offered here")
        head = RequestHead(
            method=parser.get_method(),
            target=self._target,
            http_10=parser.get_http_version() == "1.0",
            keep_alive=parser.should_keep_alive(),
            headers=self._headers,
        )
        return read_head(head)

    def _too_large(self) -> BadRequest:
        return BadRequest(431, f"the head of a request has at most {self._front.limits.head} bytes")

    def _refuse(self, refusal: BadRequest) -> None:
        """Answer *refusal* once its turn comes, and read no further."""
        if self._deaf:
            return
        self._deaf = True
        spoiled, self._receiving = self._receiving, None
        if spoiled is not None:
            spoiled.spoil(refusal)
        else:
            self._enqueue(Exchange(self._front, self, None, refusal))

    def _enqueue(self, exchange: Exchange) -> None:
        self._queue.append(exchange)
        self._pump()

    def _pump(self) -> None:
        # Answers given on the spot come back here; a loop instead of recursion holds for any number of them.
        if self._pumping:
            return
        self._pumping = True
        while self._queue and self._active is None and self._close_at is None:
            self._active = self._queue.popleft()
            self._active.begin()
        self._pumping = False
        self.flow()

    def finished(self, exchange: Over, *, broken: bool) -> None:
        """The exchange is over: what follows on this connection, if anything."""
        self._active = None
        if self.transport.is_closing():
            return
        self._heard = asyncio.get_running_loop().time()
        if broken:
            self._close()
        elif not exchange.request_complete:
            # Closing over unread bytes would destroy the answer on its way; the rest is read and dropped.
            self._close_at = self._heard + self._front.limits.linger.total_seconds()
            self.flow()
        elif exchange.keep_alive:
            self._pump()
        elif exchange.refusal is not None:
            self._close_at = self._heard + self._front.limits.linger.total_seconds()
            self.transport.write_eof()
        else:
            self._close()

    def _close(self) -> None:
        self._deaf = True
        self._queue.clear()
        self._write_put_off()
        self.transport.close()

    def write(self, data: bytes) -> None:
        """Send bytes, after those put off, unless the client has gone."""
        if self._put_off:
            data, self._put_off = self._put_off + data, b""
            self._put_off_until.cancel()
        if not self.transport.is_closing():
            self.transport.write(data)

    def write_with_next(self, data: bytes) -> None:
        """
        Send bytes with the next ones, or by themselves when none come soon.

        A version sends head and body apart; sent on in one piece they cost the edge
        and the client half the system calls.
        """
        self._put_off = data
        self._put_off_until = asyncio.get_running_loop().call_later(PUT_OFF, self._write_put_off)

    def _write_put_off(self) -> None:
        if self._put_off:
            self.write(b"")

    def flow(self) -> None:
        """Read on, or stop reading."""
        hold = bool(self._queue) or (self._active is not None and self._active.congested)
        hold = hold and not self._deaf and self._close_at is None
        if hold == self._held or self.transport.is_closing():
            return
        self._held = hold
        if hold:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def tick(self, now: float) -> None:
        """Close what has been silent for too long."""
        idle = self._front.limits.idle.total_seconds()
        if self.transport.is_closing():
            if now - self._heard > idle:
                self.transport.abort()
        elif self._close_at is not None:
            if now > self._close_at:
                self._close()
        elif self._active is not None:
            self._active.tick(now, heard=self._heard)
        elif now - (self._head_since if self._in_head else self._heard) > idle:
            # A head that trickles in is silence, too.
            self._close()

    def end(self) -> None:
        """Close now, whatever is under way."""
        self.transport.abort()
