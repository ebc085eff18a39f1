"""Heads of requests and answers: what passes through the splitter, what is dropped, what is added."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

Header = tuple[bytes, bytes]

# RFC 9110 section 7.6.1, and what older agents still send.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
SET_BY_EDGE = frozenset({b"cf-connecting-ip", b"cf-ray", b"x-forwarded-proto", b"expect"})
NOT_FORWARDED = HOP_BY_HOP | SET_BY_EDGE
# A client may name any header in Connection; dropping these would change where a message goes or ends.
KEPT = frozenset({b"host", b"content-length"})
OUTCOME = b"x-edge-outcome"
NO_BODY = frozenset({204, 304})


class BadRequest(Exception):
    """A request the splitter answers itself: the HTTP status and what to say."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(slots=True)
class RequestHead:
    """One request's head, and the headers the splitter itself reads."""

    method: bytes
    target: bytes
    http_10: bool
    keep_alive: bool
    headers: Sequence[Header]
    host: str = ""
    key: str | None = None
    overrides: str | None = None
    agent: str = ""
    length: int | None = None
    chunked: bool = False
    expects: bool = False
    dropped: frozenset[bytes] = NOT_FORWARDED

    @property
    def path(self) -> str:
        """The path without its query."""
        return self.target.partition(b"?")[0].decode("latin-1")

    @property
    def has_body(self) -> bool:
        """Whether body bytes follow the head."""
        return self.chunked or bool(self.length)


def read_head(head: RequestHead) -> RequestHead:
    """Fill in what the headers say. Raises BadRequest."""
    hosts = 0
    for name, value in head.headers:
        match name:
            case b"host":
                hosts += 1
                head.host = value.decode("latin-1")
            case b"content-length":
                head.length = int(value)
            case b"transfer-encoding":
                head.chunked = _is_chunked(head, value)
            case b"connection":
                head.dropped |= _named(value)
            case b"expect":
                head.expects = value.lower() == b"100-continue"
            case b"user-agent":
                head.agent = value.decode("latin-1")
            case b"cloudflare-workers-version-key":
                head.key = value.decode("latin-1")
            case b"cloudflare-workers-version-overrides":
                said = value.decode("latin-1")
                head.overrides = f"{head.overrides}, {said}" if head.overrides else said
    if hosts != 1 and not (hosts == 0 and head.http_10):
        raise BadRequest(400, f"a request has one Host header; this one has {hosts}")
    if not head.target.startswith(b"/") and head.target != b"*":
        _absolute(head)
    return head


def _is_chunked(head: RequestHead, coding: bytes) -> bool:
    if coding.strip().lower() != b"chunked" or head.chunked:
        raise BadRequest(501, "the only transfer coding known here is chunked")
    if head.http_10:
        raise BadRequest(400, "HTTP/1.0 has no transfer codings")
    return True


def _absolute(head: RequestHead) -> None:
    """RFC 9112 section 3.2.2: the host of an absolute target counts, not the header."""
    scheme, _, rest = head.target.partition(b"://")
    if scheme.lower() not in (b"http", b"https") or not rest:
        raise BadRequest(400, "the request target is neither a path nor an http URL")
    host, slash, path = rest.partition(b"/")
    host, mark, query = host.partition(b"?")
    head.host = host.decode("latin-1")
    head.target = b"/" + path if slash else b"/" + mark + query


def upstream_head(head: RequestHead, *, client_ip: bytes, ray: bytes) -> bytes:
    """The bytes of the request as the version sees it."""
    dropped = head.dropped
    parts = [head.method, b" ", head.target, b" HTTP/1.1\r\n"]
    for name, value in head.headers:
        if name not in dropped:
            parts += (name, b": ", value, b"\r\n")
    if head.chunked:
        parts.append(b"transfer-encoding: chunked\r\n")
    parts += (b"cf-connecting-ip: ", client_ip, b"\r\nx-forwarded-proto: http\r\ncf-ray: ", ray, b"\r\n\r\n")
    return b"".join(parts)


@dataclass(slots=True)
class AnswerHead:
    """A version's answer before its body."""

    status: int
    reason: bytes
    headers: Sequence[Header]
    length: int | None = None
    chunked: bool = False
    thrown: bool = False
    dropped: frozenset[bytes] = HOP_BY_HOP


def read_answer(status: int, reason: bytes, headers: Sequence[Header]) -> AnswerHead:
    """Fill in what the headers say."""
    head = AnswerHead(status, reason, headers)
    for name, value in headers:
        if name == b"content-length":
            head.length = int(value)
        elif name == b"transfer-encoding":
            head.chunked = True
        elif name == OUTCOME:
            head.thrown = value == b"exception"
        elif name == b"connection":
            head.dropped |= _named(value)
    return head


def _named(connection: bytes) -> frozenset[bytes]:
    return frozenset(token.strip().lower() for token in connection.split(b",")) - KEPT


def client_head(answer: AnswerHead, *, ray: bytes, chunked: bool, connection: bytes | None) -> bytes:
    """The bytes of the answer as the client sees it."""
    dropped = answer.dropped
    parts = [b"HTTP/1.1 %d " % answer.status, answer.reason, b"\r\n"]
    for name, value in answer.headers:
        if name not in dropped and name != OUTCOME:
            parts += (name, b": ", value, b"\r\n")
    if chunked:
        parts.append(b"transfer-encoding: chunked\r\n")
    if connection is not None:
        parts += (b"connection: ", connection, b"\r\n")
    parts += (b"cf-ray: ", ray, b"\r\n\r\n")
    return b"".join(parts)


def own_answer(status: int, message: str, *, ray: bytes, stays_open: bool) -> tuple[bytes, bytes]:
    """Head and body of an answer by the splitter itself; a *message* that begins with a brace is JSON."""
    body = message.encode() + b"\n"
    kind = b"application/json" if message.startswith("{") else b"text/plain; charset=utf-8"
    headers = ((b"content-type", kind), (b"content-length", b"%d" % len(body)))
    answer = AnswerHead(status, HTTPStatus(status).phrase.encode(), headers)
    return client_head(answer, ray=ray, chunked=False, connection=None if stays_open else b"close"), body
