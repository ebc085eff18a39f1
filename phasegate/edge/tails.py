"""
Live views of a Worker's invocations: what ``wrangler tail`` shows.

A tail is made over REST with its filters, and watched over one WebSocket (subprotocol ``trace-v1``). An
event has the shape that wrangler reads; this edge sees no console output and keeps no headers, so those
stay empty.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from phasegate.edge.envelope import ApiError
from phasegate.edge.model import Invocation

LIFE = timedelta(hours=6)
MOST_TAILS = 10
# A viewer that does not keep up misses events, as on Cloudflare; the service never waits for it.
MOST_WAITING = 1000


@dataclass(frozen=True)
class Filters:
    """Which invocations are shown; an empty set stands for all. One in *every* is kept."""

    outcomes: frozenset[str] = frozenset()
    methods: frozenset[str] = frozenset()
    version: str = ""
    every: float = 1.0

    def show(self, invocation: Invocation) -> bool:
        """Whether *invocation* passes, apart from sampling."""
        return (
            (not self.outcomes or invocation.outcome in self.outcomes)
            and (not self.methods or invocation.method in self.methods)
            and self.version in ("", invocation.version_id)
        )


@dataclass
class Tail:
    """One view of *script*; *ticket* opens its WebSocket once: *watched* meanwhile, None afterwards."""

    id: str
    script: str
    filters: Filters
    ticket: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    expires: datetime = field(default_factory=lambda: datetime.now(UTC) + LIFE)
    waiting: asyncio.Queue[dict[str, Any] | None] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))
    due: float = 0.0
    watched: bool | None = False

    def offer(self, event: Callable[[], dict[str, Any]]) -> None:
        """Show an event, or the one of several that sampling keeps."""
        self.due += 1.0
        if self.due < self.filters.every:
            return
        self.due -= self.filters.every
        if not self.waiting.full():
            self.waiting.put_nowait(event())

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """What happens from now on, until the tail ends."""
        while (event := await self.waiting.get()) is not None:
            yield event

    def end(self) -> None:
        """Show nothing more; its viewer has gone, or shall go."""
        self.watched = None
        if self.waiting.full():
            self.waiting.get_nowait()
        self.waiting.put_nowait(None)


class Tails:
    """The tails of one edge; *front* gives the address of a Worker."""

    def __init__(self, front: Callable[[str], str]) -> None:
        self._front = front
        self._tails: dict[str, Tail] = {}

    def open(self, script: str, filters: Any) -> Tail:
        """A new tail of *script*; of more than ten the oldest gives way. Raises ApiError."""
        tail = Tail(secrets.token_hex(16), script, read_filters(filters))
        while len(mine := [each for each in self._tails.values() if each.script == script]) >= MOST_TAILS:
            self.close(mine[0].id)
        self._tails[tail.id] = tail
        return tail

    def close(self, tail_id: str) -> bool:
        """End a tail and its WebSocket; False when there is none."""
        tail = self._tails.pop(tail_id, None)
        if tail is not None:
            tail.end()
        return tail is not None

    def watch(self, ticket: str) -> Tail | None:
        """The tail that *ticket* opens now, if it is one that nobody has watched."""
        for tail in self._tails.values():
            if tail.ticket == ticket and tail.watched is False:
                tail.watched = True
                return tail
        return None

    def record(self, invocation: Invocation) -> None:
        """Show *invocation* to whoever watches its Worker."""
        for tail in tuple(self._tails.values()):
            if tail.watched and tail.script == invocation.script and tail.filters.show(invocation):
                tail.offer(lambda: self._event(invocation))

    def _event(self, invocation: Invocation) -> dict[str, Any]:
        url = self._front(invocation.script) + invocation.path
        request = {"url": url, "method": invocation.method, "headers": {}, "cf": {}}
        return {
            "outcome": invocation.outcome,
            "scriptName": invocation.script,
            "scriptVersion": {"id": invocation.version_id},
            "exceptions": [],
            "logs": [],
            "diagnosticsChannelEvents": [],
            "eventTimestamp": int(invocation.at * 1000),
            "wallTime": round(invocation.wall_ms),
            "cpuTime": round(invocation.cpu_ms),
            "truncated": False,
            "event": {"request": request, "response": {"status": invocation.status}},
        }


def read_filters(body: Any) -> Filters:
    """
    The filters of a ``{filters: [{outcome}, {method}, {scriptVersion}, {sampling_rate}]}`` body.

    Raises ApiError for those that ask for what this edge does not see: headers, addresses, console output.
    """
    given: dict[str, Any] = {}
    for each in body.get("filters") or () if isinstance(body, Mapping) else ():
        given |= each if isinstance(each, Mapping) else {str(each): None}
    known = {"outcome", "method", "scriptVersion", "sampling_rate"}
    if unknown := sorted(given.keys() - known):
        raise ApiError(400, 10001, f"this edge does not filter by {', '.join(unknown)}; it can by {_SAID}")
    rate = float(given.get("sampling_rate") or 1.0)
    return Filters(
        outcomes=frozenset(given.get("outcome") or ()),
        methods=frozenset(str(method).upper() for method in given.get("method") or ()),
        version=str(given.get("scriptVersion") or ""),
        every=1.0 / rate if 0 < rate <= 1 else 1.0,
    )


_SAID = "outcome, method, scriptVersion and sampling_rate"
