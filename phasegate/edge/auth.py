"""Who calls: API tokens, what each may do, and how often."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from hmac import compare_digest

from starlette.datastructures import Headers

from phasegate.edge.envelope import ApiError


class Permission(StrEnum):
    """Cloudflare's names for what a token may do; to query telemetry takes the *Write* of observability."""

    SCRIPTS_READ = "Workers Scripts Read"
    SCRIPTS_WRITE = "Workers Scripts Write"
    D1_READ = "D1 Read"
    D1_WRITE = "D1 Write"
    OBSERVABILITY_WRITE = "Workers Observability Write"
    ANALYTICS_READ = "Account Analytics Read"
    TAIL_READ = "Workers Tail Read"


ALL_PERMISSIONS = frozenset(Permission)
_IMPLIED = {
    Permission.SCRIPTS_READ: Permission.SCRIPTS_WRITE,
    Permission.D1_READ: Permission.D1_WRITE,
}


def token_of(headers: Headers, tokens: Mapping[str, frozenset[Permission]]) -> str:
    """The known token that *headers* carry, or a 401."""
    if "x-auth-key" in headers:
        raise ApiError(401, 9106, "Global API keys (X-Auth-Key) are refused here; send an API token")
    scheme, _, sent = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not sent:
        raise ApiError(401, 9106, "Authentication failed (missing Authorization: Bearer header)")
    for token in tokens:
        if compare_digest(token.encode(), sent.strip().encode("latin-1")):
            return token
    raise ApiError(401, 10000, "Authentication error")


def demand(permission: Permission | None, *, granted: frozenset[Permission]) -> None:
    """Raise Cloudflare's 403 unless *granted* contains *permission*; a write implies its read."""
    if permission is None or permission in granted or _IMPLIED.get(permission) in granted:
        return
    raise ApiError(403, 10000, f"Authentication error (the token lacks {permission})")


@dataclass(frozen=True)
class RateLimit:
    """*calls* in *window*; who exceeds it is blocked from everything for *block*."""

    calls: int = 1200
    window: timedelta = timedelta(minutes=5)
    block: timedelta = timedelta(minutes=5)


class RateLimited(ApiError):
    """Too many calls; *retry_after* is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(429, 971, "Please wait and consider throttling your request speed")
        self.retry_after = retry_after


class Limiter:
    """Counts the calls of each token over a sliding window (monotonic time)."""

    def __init__(self, limit: RateLimit | None) -> None:
        self._limit = limit
        self._calls: dict[str, deque[float]] = {}
        self._blocked: dict[str, float] = {}

    def count(self, token: str) -> dict[str, str]:
        """Note one call and return the headers that tell what is left, or raise `RateLimited`."""
        if self._limit is None:
            return {}
        now = time.monotonic()
        if (until := self._blocked.get(token, 0.0)) > now:
            raise RateLimited(until - now)
        left = self._left(token, now)
        if left < 0:
            self._blocked[token] = now + self._limit.block.total_seconds()
            raise RateLimited(self._limit.block.total_seconds())
        window = int(self._limit.window.total_seconds())
        return {
            "Ratelimit": f'"default";r={left};t={window}',
            "Ratelimit-Policy": f'"default";q={self._limit.calls};w={window}',
        }

    def _left(self, token: str, now: float) -> int:
        assert self._limit is not None
        calls = self._calls.setdefault(token, deque())
        oldest = now - self._limit.window.total_seconds()
        while calls and calls[0] <= oldest:
            calls.popleft()
        if len(calls) <= self._limit.calls:
            calls.append(now)
        return self._limit.calls - len(calls)
