"""
The telemetry query of Workers Observability: filter, group, calculate.

This edge's reading of sampled data: an aggregate's ``count`` is the number of kept events, and the
``value`` of ``count`` and ``sum`` is the estimate (kept events times ``sampleInterval``).
The timeframe is half-open, ``[from, to)``, in epoch milliseconds.
"""

import math
import statistics
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from phasegate.edge.telemetry import Row, Series, Telemetry
from phasegate.edge.telemetry_filter import Filters, bad_query, read_filters
from phasegate.edge.telemetry_keys import ROW_KEYS, SERIES_KEYS, Value, event, type_of

MOST_GROUPS = 2000
_PERCENTILES = {"median": 0.5, "p001": 0.001, "p999": 0.999} | {f"p{n:02d}": n / 100 for n in range(1, 100)}
_PLAIN: dict[str, Callable[[list[float]], float]] = {
    "avg": statistics.fmean,
    "min": min,
    "max": max,
    "stddev": statistics.pstdev,
    "variance": statistics.pvariance,
}
_OPERATORS = frozenset({"count", "uniq", "sum", *_PLAIN, *_PERCENTILES})
Group = tuple[Value, ...]
Found = list[tuple[Series, Row]]


@dataclass(frozen=True)
class Calculation:
    """One operator over one key; *key* is ``None`` for a plain count."""

    operator: str
    key: str | None
    alias: str


@dataclass(frozen=True)
class Query:
    """A telemetry query as it was understood."""

    view: str
    from_ms: float
    to_ms: float
    filters: Filters
    calculations: tuple[Calculation, ...]
    groups: tuple[str, ...]
    limit: int


def read_query(body: Any) -> Query:
    """Understand the body of ``POST …/telemetry/query``, or refuse with what is allowed."""
    if not isinstance(body, Mapping):
        raise bad_query("the body must be an object")
    parameters = body.get("parameters") or {}
    view = body.get("view", "events")
    if view not in ("calculations", "events"):
        raise bad_query(f"view {view!r} is not served here; allowed: calculations, events")
    from_ms, to_ms = read_timeframe(body)
    return Query(
        view=view,
        from_ms=from_ms,
        to_ms=to_ms,
        filters=read_filters(parameters.get("filters") or [], parameters.get("filterCombination")),
        calculations=tuple(_calculation(item) for item in parameters.get("calculations") or ()),
        groups=tuple(_group_key(item) for item in parameters.get("groupBys") or ()),
        limit=_limit(body.get("limit", parameters.get("limit", 100))),
    )


def read_timeframe(body: Mapping[str, Any]) -> tuple[float, float]:
    """``timeframe.from`` and ``timeframe.to`` in epoch milliseconds."""
    frame = body.get("timeframe")
    try:
        from_ms, to_ms = float(frame["from"]), float(frame["to"])  # type: ignore[index]
    except (TypeError, KeyError, ValueError):
        raise bad_query("timeframe must be {from, to} in epoch milliseconds") from None
    if not from_ms < to_ms:
        raise bad_query("timeframe.from must be before timeframe.to")
    return from_ms, to_ms


def _limit(raw: Any) -> int:
    if not isinstance(raw, int) or not 1 <= raw <= MOST_GROUPS:
        raise bad_query(f"limit is {raw!r}; allowed: 1 to {MOST_GROUPS}")
    return raw


def _group_key(item: Any) -> str:
    key = item.get("value") if isinstance(item, Mapping) else None
    if not isinstance(key, str) or key == "timestamp":
        raise bad_query("a groupBy must be {type, value: a key other than the timestamp}")
    return key


def _calculation(item: Any) -> Calculation:
    operator = str(item.get("operator", "")).lower() if isinstance(item, Mapping) else ""
    if operator not in _OPERATORS:
        raise bad_query(
            f"operator {operator!r}; allowed: count, uniq, avg, min, max, sum, median, stddev, variance, "
            "p001, p01 to p99, p999"
        )
    key = item.get("key")
    if operator != "count" and not isinstance(key, str):
        raise bad_query(f"operator {operator} needs a key")
    if operator not in ("count", "uniq") and type_of.get(key, "number") != "number":
        raise bad_query(f"operator {operator} needs a number and {key} is a string")
    return Calculation(operator, key, str(item.get("alias") or operator))


def run_query(telemetry: Telemetry, query: Query, *, query_id: str = "") -> dict[str, Any]:
    """The ``result`` of a telemetry query."""
    started = time.perf_counter()
    groups, read = _collect(telemetry, query)
    result: dict[str, Any] = {
        "run": _run(query, query_id),
        "statistics": {"rows_read": read, "bytes_read": read * 20, "abr_level": 1},
    }
    if query.view == "events":
        found = sorted((pair for rows in groups.values() for pair in rows), key=lambda pair: -pair[1].at_ms)
        events = [event(*pair) for pair in found[: query.limit]]
        result["events"] = {"events": events, "fields": [], "count": len(found)}
    else:
        result["calculations"] = [_calculated(item, groups, query) for item in query.calculations]
    result["statistics"]["elapsed"] = time.perf_counter() - started
    return result


def _run(query: Query, query_id: str) -> dict[str, Any]:
    frame = {"from": int(query.from_ms), "to": int(query.to_ms)}
    return {
        "id": str(uuid.uuid4()),
        "query": {"id": query_id},
        "timeframe": frame,
        "status": "COMPLETED",
        "dry": False,
        "granularity": max(1, int(query.to_ms - query.from_ms)),
    }


def _collect(telemetry: Telemetry, query: Query) -> tuple[dict[Group, Found], int]:
    groups: dict[Group, Found] = defaultdict(list)
    of_row = [(at, ROW_KEYS[name]) for at, name in enumerate(query.groups) if name in ROW_KEYS]
    read = 0
    for series, rows in telemetry.minutes(query.from_ms, query.to_ms):
        places = [_place(each, query) for each in series]
        for number, at_ms, wall_ms, cpu_ms in rows:
            read += 1
            place = places[number]
            if place is None:
                continue
            key, decided = place
            row = Row(at_ms, wall_ms, cpu_ms)
            if decided or query.filters.of_row(row):
                groups[_whole(key, row, of_row) if of_row else key].append((series[number], row))
    return {key: found for key, found in groups.items() if found}, read


def _place(each: Series, query: Query) -> tuple[Group, bool] | None:
    """The group of a series, open where a key is each event's own, and whether all of its events match."""
    matches = query.filters.of_series(each)
    key = tuple(_value_of(each, name) for name in query.groups)
    return None if matches is False or None in key else (key, matches is True)


def _value_of(each: Series, name: str) -> Value:
    return "" if name in ROW_KEYS else SERIES_KEYS[name](each) if name in SERIES_KEYS else None


def _whole(key: Group, row: Row, of_row: list[tuple[int, Callable[[Row], Value]]]) -> Group:
    own = list(key)
    for at, read in of_row:
        own[at] = read(row)
    return tuple(own)


def _calculated(calculation: Calculation, groups: dict[Group, Found], query: Query) -> dict[str, Any]:
    aggregates = [
        aggregate
        for key, found in groups.items()
        if (aggregate := _aggregate(calculation, found, key=key, query=query)) is not None
    ]
    aggregates.sort(key=lambda one: -one["value"])
    return {
        "alias": calculation.alias,
        "calculation": _title(calculation),
        "aggregates": aggregates[: query.limit],
        "series": [],
    }


def _title(calculation: Calculation) -> str:
    return f"{calculation.operator}({calculation.key})" if calculation.key else calculation.operator


def _aggregate(calculation: Calculation, found: Found, *, key: Group, query: Query) -> dict[str, Any] | None:
    scale = sum(series.sample for series, _ in found) / len(found)
    value = _value(calculation, found, scale)
    if value is None:
        return None
    aggregate: dict[str, Any] = {
        "value": value,
        "count": len(found),
        "interval": int(query.to_ms - query.from_ms),
        "sampleInterval": scale,
    }
    if query.groups:
        named = zip(query.groups, key, strict=True)
        aggregate["groups"] = [{"key": name, "value": value} for name, value in named]
    return aggregate


def _value(calculation: Calculation, found: Found, scale: float) -> float | None:
    if calculation.operator == "count" and calculation.key is None:
        return len(found) * scale
    values = _values(calculation.key or "", found)
    if calculation.operator == "count":
        return len(values) * scale
    if calculation.operator == "uniq":
        return len(set(values))
    numbers = [float(value) for value in values]
    return _number(calculation.operator, numbers, scale) if numbers else None


def _values(key: str, found: Found) -> list[str | float]:
    if (of_row := ROW_KEYS.get(key)) is not None:
        values = [of_row(row) for _, row in found]
    elif (of_series := SERIES_KEYS.get(key)) is not None:
        values = [of_series(series) for series, _ in found]
    else:
        values = []
    return [value for value in values if value is not None]


def _number(operator: str, numbers: list[float], scale: float) -> float:
    if operator == "sum":
        return math.fsum(numbers) * scale
    if operator in _PLAIN:
        return _PLAIN[operator](numbers)
    return percentile(numbers, _PERCENTILES[operator])


def percentile(numbers: list[float], share: float) -> float:
    """The smallest of *numbers* (not empty) that at least *share* of them do not exceed."""
    return sorted(numbers)[max(0, math.ceil(share * len(numbers)) - 1)]


def read_keys(telemetry: Telemetry, body: Any) -> list[dict[str, Any]]:
    """The ``result`` of ``…/telemetry/keys``: every key that an event of the timeframe has."""
    now = time.time() * 1000
    frame = {"from": 0, "to": now + 1} | (body.get("timeframe") or {} if isinstance(body, Mapping) else {})
    from_ms, to_ms = read_timeframe({"timeframe": frame})
    seen: dict[str, float] = {}
    for series, rows in telemetry.minutes(from_ms, to_ms):
        last = {number: at_ms for number, at_ms, _, _ in rows}
        for number, at_ms in last.items():
            for key in event(series[number], Row(at_ms, 0.0, 0.0)):
                seen[key] = max(seen.get(key, 0.0), at_ms)
    return [{"key": key, "type": type_of[key], "lastSeenAt": int(at)} for key, at in sorted(seen.items())]


def read_values(telemetry: Telemetry, body: Any) -> list[dict[str, Any]]:
    """The ``result`` of ``…/telemetry/values``: the values that ``key`` took in the timeframe."""
    if not isinstance(body, Mapping) or body.get("key") not in type_of:
        raise bad_query(f"key must be one of {', '.join(type_of)}")
    query = read_query({**body, "view": "events", "limit": MOST_GROUPS, "parameters": body})
    groups, _ = _collect(telemetry, query)
    found = [pair for rows in groups.values() for pair in rows]
    values = sorted(set(_values(body["key"], found)), key=str)[: _limit(body.get("limit", 100))]
    kind = type_of[body["key"]]
    return [
        {"dataset": "cloudflare-workers", "key": body["key"], "type": kind, "value": value}
        for value in values
    ]
