"""One request on its way to a version, and its answer on the way back."""

import asyncio
import time

from phasegate.edge.runtime import NotServing
from phasegate.edge.splitter_body import RequestBody
from phasegate.edge.splitter_head import (
    NO_BODY,
    AnswerHead,
    BadRequest,
    RequestHead,
    client_head,
    own_answer,
    upstream_head,
)
from phasegate.edge.splitter_ports import CANCELED, FAILURES, Client, Front, Target
from phasegate.edge.splitter_upstream import UpstreamConnection

RETRY_AFTER = 0.03
IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})


class Exchange:
    """
    One request and its answer.

    It begins when every earlier request of its connection has been answered; until
    then, and until a version is connected, it holds what has arrived of its body.
    """

    def __init__(
        self, front: Front, client: Client, head: RequestHead | None, refusal: BadRequest | None = None
    ):
        self.head = head
        self.refusal = refusal
        self.keep_alive = head is not None and head.keep_alive and refusal is None
        self.answered = False
        self.over = False
        self.moved = 0.0
        self._front = front
        self._client = client
        self._target: Target | None = None
        self._upstream: UpstreamConnection | None = None
        self._opening: asyncio.Task[None] | None = None
        self._body = RequestBody(head if refusal is None else None)
        self._retried = False
        self._paused = False
        self._chunk_out = False
        self._thrown = False
        self._status = 0
        self._ray = b""
        self._at = 0.0
        self._began = 0.0

    @property
    def congested(self) -> bool:
        """Whether no more of the body can be taken for now."""
        if self.over:
            return False
        return self._body.overfull or (self._upstream is not None and self._upstream.full)

    @property
    def request_complete(self) -> bool:
        """Whether all of the request has arrived."""
        return self._body.complete

    def begin(self) -> None:
        """Its turn has come: choose a version and ask it."""
        loop = asyncio.get_running_loop()
        self._at, self._began = time.time(), loop.time()
        self.moved = self._began
        try:
            head = self._accepted()
            self._target = self._front.pick(head, self._client.ip)
        except BadRequest as refusal:
            self._answer_here(refusal.status, refusal.message)
            self._finish("ok")
            return
        self._front.enter(self._target.version_id)
        self._ray = self._front.next_ray()
        if head.expects and head.has_body and not head.http_10:
            self._client.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection = self._front.pool.take(self._target.version_id)
        if connection is not None:
            self._ask(connection)
        else:
            self._opening = loop.create_task(self._open(self._target.version_id))

    def _accepted(self) -> RequestHead:
        if self.refusal is not None:
            raise self.refusal
        assert self.head is not None
        return self.head

    async def _open(self, version_id: str, *, after: float = 0.0) -> None:
        try:
            await asyncio.sleep(after)
            async with asyncio.timeout(self._front.limits.answer.total_seconds()):
                connection = await self._front.connect(version_id)
        except TimeoutError:
            self._fail("exceededResources")
            return
        except (NotServing, OSError):
            self._fail("exception")
            return
        self._ask(connection)

    def _ask(self, connection: UpstreamConnection) -> None:
        head = self.head
        assert head is not None
        self._upstream = connection
        connection.asking = self
        connection.transport.write(upstream_head(head, client_ip=self._client.ip.encode(), ray=self._ray))
        self._body.attach(connection)
        if self._client.full:
            self.client_full()
        self._client.flow()

    def body(self, data: bytes) -> None:
        """A piece of the request's body has arrived."""
        if self.over:
            return
        self._body.add(data)
        self.moved = asyncio.get_running_loop().time()
        if self.congested:
            self._client.flow()

    def body_end(self) -> None:
        """The request is complete."""
        self._body.end()

    def answer_head(self, head: AnswerHead) -> None:
        """The version has begun to answer."""
        request = self.head
        assert request is not None
        self.answered = True
        self.moved = asyncio.get_running_loop().time()
        self._status, self._thrown = head.status, head.thrown
        bodyless = request.method == b"HEAD" or head.status in NO_BODY
        unbounded = head.length is None and not bodyless
        self._chunk_out = unbounded and not request.http_10
        self.keep_alive = self.keep_alive and (not unbounded or self._chunk_out)
        connection = self._connection(request)
        sent = client_head(head, ray=self._ray, chunked=self._chunk_out, connection=connection)
        (self._client.write if bodyless or head.length == 0 else self._client.write_with_next)(sent)
        if request.method == b"HEAD":
            # The parser cannot be told that no body follows, so the connection is not used again.
            self._drop_upstream()
            self._finish(self._outcome())

    def _connection(self, request: RequestHead) -> bytes | None:
        if not self.keep_alive:
            return b"close"
        return b"keep-alive" if request.http_10 else None

    def answer_body(self, data: bytes) -> None:
        """A piece of the answer's body."""
        self.moved = asyncio.get_running_loop().time()
        self._client.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunk_out else data)

    def answer_end(self, *, reusable: bool) -> None:
        """The answer is complete."""
        if self._chunk_out:
            self._client.write(b"0\r\n\r\n")
        connection, self._upstream = self._upstream, None
        if connection is not None:
            if reusable and self.request_complete:
                self._resume(connection)
                self._front.pool.give(connection)
            else:
                connection.drop()
        self._finish(self._outcome())

    def _outcome(self) -> str:
        return "exception" if self._thrown else "ok"

    def upstream_ready(self) -> None:
        """The version takes more of the body."""
        self._client.flow()

    def upstream_lost(self, error: Exception | None) -> None:
        """The version's end of the connection is gone before the answer was complete."""
        connection, self._upstream = self._upstream, None
        self._body.detach()
        if self.answered:
            self._finish("exception", broken=True)
        elif connection is not None and self._unread(connection, error) and self._take_retry():
            # The process is probably ending; asked at once, it would take the request and reset again.
            retry = self._open(connection.version_id, after=RETRY_AFTER)
            self._opening = asyncio.get_running_loop().create_task(retry)
        else:
            self._fail("exception")

    def _unread(self, connection: UpstreamConnection, error: Exception | None) -> bool:
        # A Unix socket closed over unread bytes resets; after a plain end the version may have acted already.
        assert self.head is not None
        unread = isinstance(error, ConnectionResetError | BrokenPipeError)
        return unread and (connection.reused or self.head.method in IDEMPOTENT)

    def _take_retry(self) -> bool:
        if self._retried or self._body.sent:
            return False
        self._retried = True
        return True

    def client_full(self) -> None:
        """The client takes no more for now, so the version must wait."""
        if self._upstream is not None and not self._paused and not self._upstream.transport.is_closing():
            self._paused = True
            self._upstream.transport.pause_reading()

    def client_ready(self) -> None:
        """The client takes more."""
        self.moved = asyncio.get_running_loop().time()
        if self._upstream is not None:
            self._resume(self._upstream)

    def _resume(self, connection: UpstreamConnection) -> None:
        if self._paused and not connection.transport.is_closing():
            connection.transport.resume_reading()
        self._paused = False

    def cancel(self) -> None:
        """The client has gone."""
        if not self.over:
            self._drop_upstream()
            self._status = CANCELED
            self._finish("canceled", broken=True)

    def spoil(self, refusal: BadRequest) -> None:
        """The rest of the request cannot be understood, or does not come."""
        self.refusal, self.keep_alive = refusal, False
        if self._target is None or self.over:
            return
        self._drop_upstream()
        broken = self.answered
        if not broken:
            self._answer_here(refusal.status, refusal.message)
        self._finish("canceled", broken=broken)

    def tick(self, now: float, *, heard: float) -> None:
        """End what takes too long; *heard* is when the client last sent something."""
        limits = self._front.limits
        still = now - self.moved
        if self.answered:
            if still > limits.idle.total_seconds():
                self._stalled()
        elif self.request_complete or self.congested:
            if still > limits.answer.total_seconds():
                self._drop_upstream()
                self._fail("exceededResources")
        elif now - heard > limits.idle.total_seconds():
            self.spoil(BadRequest(408, "the rest of the request did not come in time"))

    def _stalled(self) -> None:
        if self._client.full:
            self.cancel()
        else:
            self._drop_upstream()
            self._finish("exceededResources", broken=True)

    def _fail(self, outcome: str) -> None:
        if not self.over:
            self._answer_here(*FAILURES[outcome])
            self._finish(outcome)

    def _answer_here(self, status: int, message: str) -> None:
        self.answered, self._status = True, status
        stays_open = self.keep_alive and self.head is not None and not self.head.http_10
        self.keep_alive = stays_open
        ray = self._ray or self._front.next_ray()
        sent = own_answer(status, message, ray=ray, stays_open=stays_open)
        head_only = self.head is not None and self.head.method == b"HEAD"
        self._client.write(sent[0] if head_only else b"".join(sent))

    def _drop_upstream(self) -> None:
        if self._opening is not None and self._opening is not asyncio.current_task():
            self._opening.cancel()
        connection, self._upstream = self._upstream, None
        if connection is not None:
            connection.drop()

    def _finish(self, outcome: str, *, broken: bool = False) -> None:
        if self.over:
            return
        self.over = True
        self._body.drop()
        target, head = self._target, self.head
        if target is not None and head is not None:
            self._front.leave(target.version_id)
            if target.logged:
                wall = (asyncio.get_running_loop().time() - self._began) * 1000
                done = target.invocation(
                    head, at=self._at, status=self._status, outcome=outcome, wall_ms=wall
                )
                self._front.note(done)
        self._client.finished(self, broken=broken)
