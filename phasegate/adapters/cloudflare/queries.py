"""
The questions asked of Workers Observability, and their answers as sums per group.

``POST /accounts/<id>/workers/observability/telemetry/query``, view ``calculations``.
Timeframes are epoch milliseconds and are taken as half-open. An event that lacks one
of the group keys is in no group at all, and at most LIMIT groups come back: only an
ungrouped query is sure to have counted everything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from phasegate.adapters.cloudflare.wire import Aggregate, QueryResult

PATH = "workers/observability/telemetry/query"
LIMIT = 2000
VERSION = "$workers.scriptVersion.id"
METHOD = "$workers.event.request.method"
ROUTE = "$workers.event.request.path"
STATUS = "$workers.event.response.status"
OUTCOME = "$workers.outcome"
WALL_TIME = "$workers.wallTimeMs"
# Third-party code filters by it; Cloudflare names no header in its documentation. Where it is not
# known, no event matches: `eq` never takes users' events for ours.
AGENT = "$workers.event.request.headers.user-agent"
_NUMBERS = frozenset({STATUS, WALL_TIME})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Keys = tuple[str, ...]


@dataclass(frozen=True)
class Window:
    """The invocations of one Worker in ``[start, end)``; with an *agent* only that user agent's."""

    worker: str
    start: datetime
    end: datetime
    agent: str = ""


@dataclass(frozen=True)
class Sums:
    """
    Events per group, in the order of the keys asked for.

    The numbers are estimates, already multiplied by ``sampling``: one stored row
    stands for that many events.
    """

    groups: Mapping[Keys, float]
    sampling: float

    @property
    def total(self) -> float:
        """Events over all groups."""
        return sum(self.groups.values())


def question(
    window: Window, *, keys: Keys = (), slower_than: int | None = None, failed: bool = False
) -> dict[str, Any]:
    """
    Count the invocations of *window*, grouped by *keys*.

    *slower_than* keeps those above so many milliseconds of wall time, *failed* those
    answered with 500 and above.
    """
    filters = [
        _filter("$metadata.service", "eq", window.worker),
        _filter("$metadata.type", "eq", "cf-worker-event"),
    ]
    if window.agent:
        filters.append(_filter(AGENT, "eq", window.agent))
    if slower_than is not None:
        filters.append(_filter(WALL_TIME, "gt", slower_than))
    if failed:
        filters.append(_filter(STATUS, "gte", 500))
    return {
        "queryId": "phasegate",
        "view": "calculations",
        "timeframe": {"from": _millis(window.start), "to": _millis(window.end)},
        "limit": LIMIT,
        "parameters": {
            "datasets": ["cloudflare-workers"],
            "filterCombination": "and",
            "filters": filters,
            "calculations": [{"operator": "count", "alias": "n"}],
            "groupBys": [{"type": _type(key), "value": key} for key in keys],
        },
    }


def sums(result: QueryResult, keys: Keys) -> Sums:
    """The groups of the only calculation asked for, by the values of *keys*."""
    groups: dict[Keys, float] = {}
    sampling = 1.0
    for aggregate in result.calculations[0].aggregates:
        name = _values(aggregate, keys)
        groups[name] = groups.get(name, 0.0) + aggregate.value
        sampling = max(sampling, aggregate.sampleInterval or 1.0)
    return Sums(groups=groups, sampling=sampling)


def _values(aggregate: Aggregate, keys: Keys) -> Keys:
    found = {group.key: group.value for group in aggregate.groups or ()}
    return tuple(_text(found.get(key)) for key in keys)


def _text(value: Any) -> str:
    if value is None:
        return ""
    # JSON has one kind of number: a status may come as 500 or as 500.0.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _filter(key: str, operation: str, value: str | int) -> dict[str, Any]:
    return {"key": key, "operation": operation, "type": _type(key), "value": value}


def _type(key: str) -> str:
    return "number" if key in _NUMBERS else "string"


def _millis(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)
