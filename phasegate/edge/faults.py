"""
Faults that the API can be told to have, so that its callers can be proven against them.

A rule is an object with these fields; what is not given does not restrict:

``kind``      ``slow``           acts, and answers *seconds* later
              ``status``         answers *status* (500) with no act, or after it when *acted*
              ``timeout_before`` does not act, holds the answer for *seconds*, then drops the connection
              ``timeout_after``  acts, holds the answer for *seconds*, then drops the connection
              ``rate_limit``     answers 429 with ``retry-after: <seconds>`` and does not act
              ``lag``            a new split takes effect *seconds* later (*match*: the path it was posted to)
              ``telemetry_down`` answers *status* (503) to telemetry and GraphQL calls
``match``     ``{"method": "POST", "path": "<regular expression, searched>"}``
``seconds``   0 with a ``timeout_*`` is a connection reset at once
``times``     that many calls, then the rule is off
``every``     only every n-th matching call
``per_call``  once for each distinct call, a call being its method and its path with ids left out

The first rule that applies to a call is used, and no other. So "every call of a release fails once
with 500, is limited once and times out once after acting" is three rules with ``per_call``, and
the fourth attempt of each call succeeds.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}")
_TELEMETRY = re.compile(r"/workers/observability/telemetry/|/graphql$")


class FaultError(ValueError):
    """A rule that cannot be read; the text says what is allowed."""


class FaultKind(StrEnum):
    """What goes wrong."""

    SLOW = "slow"
    STATUS = "status"
    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    RATE_LIMIT = "rate_limit"
    LAG = "lag"
    TELEMETRY_DOWN = "telemetry_down"


@dataclass(frozen=True)
class Match:
    """Which calls: *method* exactly, *path* as a regular expression that is searched."""

    method: str | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.path or "")
        except re.error as error:
            raise FaultError(f"match.path {self.path!r} is not a regular expression: {error}") from None

    def fits(self, method: str, path: str) -> bool:
        """Whether a call is meant."""
        if self.method is not None and self.method.upper() != method:
            return False
        return self.path is None or re.search(self.path, path) is not None


@dataclass(frozen=True)
class Fault:
    """One rule; see the module for its fields."""

    kind: FaultKind
    match: Match = field(default_factory=Match)
    status: int | None = None
    seconds: float = 0.0
    times: int | None = None
    every: int = 1
    per_call: bool = False
    acted: bool = False

    def __post_init__(self) -> None:
        if self.seconds < 0 or self.every < 1 or (self.times is not None and self.times < 1):
            raise FaultError("seconds must be 0 or more; every and times must be 1 or more")
        if self.status is not None and not 400 <= self.status <= 599:
            raise FaultError(f"status is {self.status}; allowed: 400 to 599")

    @classmethod
    def read(cls, raw: Any) -> "Fault":
        """A rule from its JSON form. Raises `FaultError`."""
        if not isinstance(raw, Mapping):
            raise FaultError("a rule must be an object")
        known = {each.name for each in fields(cls)}
        if strange := set(raw) - known:
            raise FaultError(f"unknown {', '.join(sorted(strange))}; allowed: {', '.join(sorted(known))}")
        try:
            kind = FaultKind(raw.get("kind", ""))
            return replace(cls(kind), **{**raw, "kind": kind, "match": Match(**raw.get("match") or {})})
        except FaultError:
            raise
        except (TypeError, ValueError) as error:
            raise FaultError(f"{error}; allowed kinds: {', '.join(FaultKind)}") from None

    def fits(self, method: str, path: str) -> bool:
        """Whether a call is meant, before counting."""
        if self.kind is FaultKind.TELEMETRY_DOWN and not _TELEMETRY.search(path):
            return False
        return self.match.fits(method, path)


@dataclass
class _Rule:
    fault: Fault
    seen: int = 0
    hits: int = 0
    calls: set[tuple[str, str]] = field(default_factory=set)

    def take(self, method: str, path: str) -> bool:
        """Count a fitting call; whether the fault happens to it."""
        if self.fault.times is not None and self.hits >= self.fault.times:
            return False
        call = (method, route(path))
        if self.fault.per_call and call in self.calls:
            return False
        self.seen += 1
        if self.seen % self.fault.every:
            return False
        self.calls.add(call)
        self.hits += 1
        return True


class Faults:
    """The rules in force, in order."""

    def __init__(self) -> None:
        self._rules: list[_Rule] = []

    def add(self, *faults: Fault) -> None:
        """Put rules behind those in force."""
        self._rules += [_Rule(fault) for fault in faults]

    def replace(self, *faults: Fault) -> None:
        """Have exactly these rules, with fresh counts."""
        self._rules = [_Rule(fault) for fault in faults]

    def clear(self) -> None:
        """Have no rule."""
        self._rules = []

    def take(self, method: str, path: str) -> Fault | None:
        """The fault of this call, counted; lags are asked for by `lag`."""
        return self._first(method, path, lag=False)

    def lag(self, path: str) -> float:
        """The seconds by which the split posted to *path* lags."""
        fault = self._first("POST", path, lag=True)
        return fault.seconds if fault else 0.0

    def describe(self) -> list[dict[str, Any]]:
        """The rules in their JSON form, each with its ``hits``."""
        return [{**asdict(rule.fault), "hits": rule.hits} for rule in self._rules]

    def _first(self, method: str, path: str, *, lag: bool) -> Fault | None:
        for rule in self._rules:
            fault = rule.fault
            if (fault.kind is FaultKind.LAG) is lag and fault.fits(method, path) and rule.take(method, path):
                return fault
        return None


def route(path: str) -> str:
    """*path* with ids left out, so that two calls of one kind are the same call."""
    return _ID.sub(":id", path)
