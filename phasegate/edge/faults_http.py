"""Faults as they happen to HTTP, and the record of the calls."""

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from phasegate.edge.auth import RateLimited
from phasegate.edge.connections import drop
from phasegate.edge.envelope import ApiError, refusal
from phasegate.edge.faults import Fault, FaultKind, Faults

MOST_CALLS = 20_000
_TIMEOUTS = (FaultKind.TIMEOUT_BEFORE, FaultKind.TIMEOUT_AFTER)


@dataclass
class Call:
    """
    One call of the API: what it was, what the client got, and what really happened.

    *status* is what was sent, 0 when the connection was dropped; *acted* is the API's own status, ``None``
    when the call never reached it.
    """

    method: str
    path: str
    at: float
    status: int = 0
    acted: int | None = None
    fault: str | None = None


class Calls:
    """The last calls, oldest first."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=MOST_CALLS)

    def begin(self, method: str, path: str) -> Call:
        """Note a call as it arrives."""
        call = Call(method, path, time.time())
        self._calls.append(call)
        return call

    def clear(self) -> None:
        """Forget them."""
        self._calls.clear()

    def describe(self) -> list[dict[str, Any]]:
        """The calls in their JSON form."""
        return [asdict(call) for call in self._calls]


class FaultyApi:
    """The ASGI application *api*, its calls recorded, with *faults* happening to them."""

    def __init__(self, api: ASGIApp, *, faults: Faults, calls: Calls) -> None:
        self._api = api
        self._faults = faults
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"].startswith("/edge/"):
            await self._api(scope, receive, send)
            return
        call = self._calls.begin(scope["method"], scope["path"])
        fault = self._faults.take(call.method, call.path)
        call.fault = fault.kind if fault else None
        await self._serve(scope, receive, _noted(send, call), call=call, fault=fault)

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, *, call: Call, fault: Fault | None
    ) -> None:
        if fault is None:
            await self._api(scope, receive, _acting(send, call))
            return
        if fault.kind is FaultKind.SLOW:
            await self._api(scope, receive, _acting(send, call, seconds=fault.seconds))
            return
        if fault.kind is FaultKind.TIMEOUT_AFTER or fault.acted:
            await self._api(scope, receive, _acting(_nowhere, call))
        if fault.kind in _TIMEOUTS:
            await _hold(receive, fault.seconds)
            await drop(scope)
            return
        await _failed(fault)(scope, receive, send)


def _failed(fault: Fault) -> ASGIApp:
    if fault.kind is FaultKind.RATE_LIMIT:
        limited = RateLimited(fault.seconds)
        return refusal(limited, headers={"retry-after": f"{fault.seconds:g}"})
    status = fault.status or (503 if fault.kind is FaultKind.TELEMETRY_DOWN else 500)
    return refusal(ApiError(status, 10013, "An unknown error has occurred"))


def _noted(send: Send, call: Call) -> Send:
    async def forward(message: Message) -> None:
        if message["type"] == "http.response.start":
            call.status = message["status"]
        await send(message)

    return forward


def _acting(send: Send, call: Call, *, seconds: float = 0.0) -> Send:
    async def forward(message: Message) -> None:
        if message["type"] == "http.response.start":
            call.acted = message["status"]
            await asyncio.sleep(seconds)
        await send(message)

    return forward


async def _nowhere(message: Message) -> None:
    pass


async def _hold(receive: Receive, seconds: float) -> None:
    """Wait *seconds*, or until the client has gone."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
