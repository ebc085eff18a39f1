"""
GraphQL analytics: ``viewer { accounts { workersInvocationsAdaptive } }``.

As with Cloudflare's, ``errors`` counts invocations that failed: a Worker that returned HTTP 500
succeeded. Durations are in microseconds. The data set knows no path and no HTTP status.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from phasegate.edge.graphql_syntax import Field, GraphQLError
from phasegate.edge.telemetry import Row, Series, Telemetry
from phasegate.edge.telemetry_query import percentile

MOST_ROWS = 10_000
LONGEST = timedelta(days=7)
_STATUS = {
    "ok": "success",
    "exception": "scriptThrewException",
    "canceled": "clientDisconnected",
    "exceededResources": "exceededResources",
    "responseStreamDisconnected": "responseStreamDisconnected",
}
_SUMS: dict[str, Callable[[str], bool]] = {
    "requests": lambda outcome: True,
    "errors": lambda outcome: outcome not in ("ok", "canceled"),
    "clientDisconnects": lambda outcome: outcome == "canceled",
    "subrequests": lambda outcome: False,
}
_SHARES = {"P25": 0.25, "P50": 0.5, "P75": 0.75, "P90": 0.9, "P95": 0.95, "P99": 0.99, "P999": 0.999}
_QUANTILES: dict[str, tuple[Callable[[Row], float], float]] = {
    f"{name}{suffix}": (read, share)
    for name, read in (("wallTime", lambda row: row.wall_ms), ("cpuTime", lambda row: row.cpu_ms))
    for suffix, share in _SHARES.items()
}
Pair = tuple[Series, Row]
_FILTERS = frozenset(
    {
        "scriptName",
        "scriptVersion",
        "scriptVersion_in",
        "status",
        "status_notin",
        "datetime_geq",
        "datetime_leq",
    }
    | {"scriptName_in", "status_in", "datetime_gt", "datetime_lt"}
)


class Analytics:
    """Answers queries of one account from *telemetry*, of which nothing younger than *lag* shows."""

    def __init__(self, telemetry: Telemetry, *, account_id: str, lag: timedelta | None) -> None:
        self._telemetry = telemetry
        self._account_id = account_id
        self._lag = lag

    def answer(self, fields: tuple[Field, ...]) -> dict[str, Any]:
        """The ``data`` of a query. Raises `GraphQLError`."""
        return {field.key: self._root(field) for field in fields}

    def _root(self, field: Field) -> Any:
        if field.name == "__type":
            return _introspected(field)
        if field.name == "viewer":
            return {each.key: self._viewer(each) for each in field.selection}
        raise _unknown(field, "query", ("viewer", "__type"))

    def _viewer(self, field: Field) -> list[dict[str, Any]]:
        if field.name != "accounts":
            raise _unknown(field, "viewer", ("accounts",))
        if (field.arguments.get("filter") or {}).get("accountTag") != self._account_id:
            raise GraphQLError("not authorized for that account")
        return [{each.key: self._data_set(each) for each in field.selection}]

    def _data_set(self, field: Field) -> list[dict[str, Any]]:
        if field.name != "workersInvocationsAdaptive":
            raise _unknown(field, "accounts", ("workersInvocationsAdaptive",))
        groups: dict[tuple[str, ...], list[Pair]] = defaultdict(list)
        _check(field)
        dimensions = _selected(field, "dimensions")
        for pair in self._events(field.arguments.get("filter")):
            groups[tuple(_dimension(each, pair) for each in dimensions)].append(pair)
        ordered = sorted(groups.items(), key=lambda item: item[0])
        rows = [_row(field, key, found) for key, found in _ordered(field, dimensions, ordered)]
        return rows[: _limit(field)]

    def _events(self, raw: Any) -> list[Pair]:
        if not isinstance(raw, Mapping):
            raise GraphQLError("workersInvocationsAdaptive needs a filter")
        if strange := set(raw) - _FILTERS:
            raise GraphQLError(
                f"unknown filter {', '.join(sorted(strange))}; allowed: {', '.join(sorted(_FILTERS))}"
            )
        from_ms, to_ms = _window(raw)
        found: list[Pair] = []
        for series, rows in self._telemetry.minutes(from_ms, to_ms, lag=self._lag):
            wanted = [_matches(each, raw) for each in series]
            found += [(series[number], Row(*rest)) for number, *rest in rows if wanted[number]]
        return found


def _window(raw: Mapping[str, Any]) -> tuple[float, float]:
    start = _moment(raw, "datetime_geq") or _moment(raw, "datetime_gt")
    if start is None:
        raise GraphQLError("the filter needs datetime_geq")
    end = _moment(raw, "datetime_leq") or _moment(raw, "datetime_lt") or datetime.now(UTC)
    if end - start > LONGEST:
        raise GraphQLError("cannot request a time range wider than 1w")
    # The data set counts whole seconds, so "up to and with" a second includes all of it.
    extra = 1000 if raw.get("datetime_leq") else 0
    return start.timestamp() * 1000, end.timestamp() * 1000 + extra


def _moment(raw: Mapping[str, Any], name: str) -> datetime | None:
    if raw.get(name) is None:
        return None
    try:
        moment = datetime.fromisoformat(raw[name])
    except (TypeError, ValueError):
        raise GraphQLError(f"{name} is {raw[name]!r}; allowed: ISO 8601") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _matches(series: Series, raw: Mapping[str, Any]) -> bool:
    found = {
        "scriptName": series.script,
        "scriptVersion": series.version_id,
        "status": _status(series),
    }
    return all(
        _agrees(found[key.partition("_")[0]], key, raw[key]) for key in raw if not key.startswith("datetime")
    )


def _agrees(found: str, key: str, wanted: Any) -> bool:
    if key.endswith("_in"):
        return found in wanted
    return found not in wanted if key.endswith("_notin") else found == wanted


def _status(series: Series) -> str:
    return _STATUS.get(series.outcome, "internalError")


def _dimension(field: Field, pair: Pair) -> str:
    series, row = pair
    if (of_series := _SERIES_DIMENSIONS.get(field.name)) is not None:
        return of_series(series)
    step = _STEPS[field.name]
    moment = datetime.fromtimestamp(row.at_ms // 1000 // step * step, UTC)
    return moment.strftime("%Y-%m-%d" if field.name == "date" else "%Y-%m-%dT%H:%M:%SZ")


_SERIES_DIMENSIONS: dict[str, Callable[[Series], str]] = {
    "scriptName": lambda series: series.script,
    "scriptVersion": lambda series: series.version_id,
    "status": _status,
    "environmentName": lambda series: "production",
    "usageModel": lambda series: "standard",
}
_STEPS = {
    "datetime": 1,
    "datetimeMinute": 60,
    "datetimeFiveMinutes": 300,
    "datetimeFifteenMinutes": 900,
    "datetimeHour": 3600,
    "date": 86400,
}


def _row(field: Field, key: tuple[str, ...], found: list[Pair]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for part in field.selection:
        if part.name == "dimensions":
            names = [each.key for each in part.selection]
            row[part.key] = dict(zip(names, key, strict=True))
        else:
            read = _PARTS[part.name]
            row[part.key] = {each.key: read(each, found) for each in part.selection}
    return row


def _sum(field: Field, found: list[Pair]) -> float:
    counts = _SUMS[field.name]
    return round(sum(series.sample for series, _ in found if counts(series.outcome)))


def _quantile(field: Field, found: list[Pair]) -> float:
    read, share = _QUANTILES[field.name]
    return percentile([read(row) for _, row in found], share) * 1000


def _average(field: Field, found: list[Pair]) -> float:
    return sum(series.sample for series, _ in found) / len(found)


_PARTS: dict[str, Callable[[Field, list[Pair]], float]] = {
    "sum": _sum,
    "quantiles": _quantile,
    "avg": _average,
}


def _ordered(
    field: Field, dimensions: tuple[Field, ...], groups: list[tuple[tuple[str, ...], list[Pair]]]
) -> list[tuple[tuple[str, ...], list[Pair]]]:
    names = [each.name for each in dimensions]
    wanted = field.arguments.get("orderBy") or []
    for order in reversed(wanted if isinstance(wanted, list) else [wanted]):
        name, _, direction = str(order).rpartition("_")
        if direction not in ("ASC", "DESC") or name not in names:
            raise GraphQLError(f"orderBy is {order}; allowed: a selected dimension with _ASC or _DESC")
        place = names.index(name)
        groups = sorted(groups, key=lambda item, place=place: item[0][place], reverse=direction == "DESC")  # type: ignore[misc]
    return groups


def _selected(field: Field, name: str) -> tuple[Field, ...]:
    return tuple(each for part in field.selection if part.name == name for each in part.selection)


def _limit(field: Field) -> int:
    limit = field.arguments.get("limit", MOST_ROWS)
    if not isinstance(limit, int) or not 1 <= limit <= MOST_ROWS:
        raise GraphQLError(f"limit is {limit}; allowed: 1 to {MOST_ROWS}")
    return limit


def _introspected(field: Field) -> dict[str, Any] | None:
    name = field.arguments.get("name")
    fields = _TYPES.get(str(name))
    if fields is None:
        return None
    shown = {"name": name, "kind": "OBJECT", "fields": [{"name": each} for each in fields]}
    return {each.key: shown.get(each.name) for each in field.selection}


_PREFIX = "AccountWorkersInvocationsAdaptive"
_TYPES = {
    f"{_PREFIX}Quantiles": tuple(_QUANTILES),
    f"{_PREFIX}Sum": tuple(_SUMS),
    f"{_PREFIX}Dimensions": (*_SERIES_DIMENSIONS, *_STEPS),
    f"{_PREFIX}Avg": ("sampleInterval",),
}
_PART_TYPES = {part: f"{_PREFIX}{part.capitalize()}" for part in ("dimensions", "sum", "quantiles", "avg")}


def _check(field: Field) -> None:
    """Refuse what the data set does not know, also when there is no row to miss it in."""
    for part in field.selection:
        if part.name not in _PART_TYPES:
            raise _unknown(part, "workersInvocationsAdaptive", tuple(_PART_TYPES))
        for each in part.selection:
            if each.name not in (known := _TYPES[_PART_TYPES[part.name]]):
                raise _unknown(each, part.name, known)


def _unknown(field: Field, where: str, allowed: tuple[str, ...]) -> GraphQLError:
    return GraphQLError(f"unknown field {field.name!r} in {where}; allowed: {', '.join(allowed)}")
