"""HTTP in plain ASGI: a request, a response, and the errors a client may be told."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MAX_BODY_BYTES = 512 * 1024


class HttpError(Exception):
    """An answer other than success: HTTP status, a code for programs, a sentence for people."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = tuple((name.replace("_", "-"), value) for name, value in headers.items())

    def response(self) -> "Response":
        """The JSON answer: ``{"error": {"code", "message"}}``."""
        error = {"error": {"code": self.code, "message": str(self)}}
        return json_response(error, self.status, self.headers)


class ClientGone(Exception):
    """The client hung up before its request was complete."""


@dataclass(slots=True)
class Request:
    """One request. ``params`` come from the route, ``owner`` from the bearer token ("" without one)."""

    method: str
    path: str
    query_string: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    env: Any
    params: dict[str, str] = field(default_factory=dict)
    owner: str = ""

    def header(self, name: bytes) -> str:
        """The first header of that lower-case name, or ""."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), "")

    def query(self) -> dict[str, str]:
        """The query parameters; the last of equal names wins."""
        return dict(parse_qsl(self.query_string.decode("latin-1"), keep_blank_values=True))

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; 400 when it is something else, an empty body is ``{}``."""
        if not self.body:
            return {}
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise HttpError(400, "invalid-json", f"the body is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise HttpError(400, "invalid-json", "the body must be a JSON object")
        return value


@dataclass(slots=True)
class Response:
    """One answer, ready to be sent."""

    status: int
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()

    async def send(self, send: Send, env: Any) -> None:
        """Send the answer with the version that gave it."""
        own = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers]
        headers = [
            (b"content-type", self.content_type.encode("latin-1")),
            (b"content-length", str(len(self.body)).encode("latin-1")),
            (b"x-version", env.CF_VERSION_METADATA.tag.encode("latin-1")),
            (b"x-version-id", env.CF_VERSION_METADATA.id.encode("latin-1")),
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers + own})
        await send({"type": "http.response.body", "body": self.body})


def json_response(value: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """Answer with JSON."""
    body = json.dumps(value, separators=(",", ":")).encode()
    return Response(status, body, "application/json", headers)


async def read_request(scope: MutableMapping[str, Any], receive: Receive) -> Request:
    """Read the whole request; 413 when the body is larger than ``MAX_BODY_BYTES``."""
    body = await _read_body(receive)
    return Request(
        method=scope["method"],
        path=scope["path"],
        query_string=scope["query_string"],
        headers=scope["headers"],
        body=body,
        env=scope["env"],
    )


async def _read_body(receive: Receive) -> bytes:
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise HttpError(413, "too-large", f"the body must not exceed {MAX_BODY_BYTES} bytes")
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
