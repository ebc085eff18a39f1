"""
Filters of a telemetry query.

A key that an event lacks matches only ``is_null``: all comparisons with it are false, ``neq`` included.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from phasegate.edge.envelope import ApiError
from phasegate.edge.telemetry import Row, Series
from phasegate.edge.telemetry_keys import ROW_KEYS, SERIES_KEYS, Value, type_of

MAX_PATTERN = 1000
Test = Callable[[Value], bool]
_ALIASES = {
    "=": "eq",
    "!=": "neq",
    ">": "gt",
    ">=": "gte",
    "<": "lt",
    "<=": "lte",
    "does_not_exist": "is_null",
    "does_not_include": "not_includes",
    "match_regex": "regex",
}


def bad_query(message: str) -> ApiError:
    """A query that this service cannot read."""
    return ApiError(400, 10001, f"Invalid telemetry query: {message}")


@dataclass(frozen=True)
class Filters:
    """Tests on the series and tests on the single event, joined by *and* or *or*."""

    series: tuple[tuple[str, Test], ...]
    row: tuple[tuple[str, Test], ...]
    every: bool

    def of_series(self, series: Series) -> bool | None:
        """Whether all events of *series* match; ``None`` when each has to be looked at."""
        results = [
            test(SERIES_KEYS[key](series)) if key in SERIES_KEYS else test(None) for key, test in self.series
        ]
        if self.every:
            return False if not all(results) else (None if self.row else True)
        if any(results) or not (results or self.row):
            return True
        return None if self.row else False

    def of_row(self, row: Row) -> bool:
        """Whether an event matches for which `of_series` did not decide."""
        results = (test(ROW_KEYS[key](row)) for key, test in self.row)
        return all(results) if self.every else any(results)


def read_filters(raw: Any, combination: Any) -> Filters:
    """Filters from a query's ``filters`` and ``filterCombination``."""
    if combination not in ("and", "or", "AND", "OR", None):
        raise bad_query(f"filterCombination is {combination!r}; allowed: and, or")
    if not isinstance(raw, list):
        raise bad_query("filters must be a list")
    tests = [_one(item) for item in raw]
    return Filters(
        series=tuple(pair for pair in tests if pair[0] not in ROW_KEYS),
        row=tuple(pair for pair in tests if pair[0] in ROW_KEYS),
        every=str(combination or "and").lower() == "and",
    )


def _one(item: Any) -> tuple[str, Test]:
    if not isinstance(item, Mapping) or not isinstance(item.get("key"), str):
        raise bad_query(
            "a filter must be {key, operation, type, value}; groups of filters are not served here"
        )
    name = str(item.get("operation", "")).lower()
    name = _ALIASES.get(name, name)
    if name not in _OPERATIONS:
        raise bad_query(f"filter operation {item.get('operation')!r}; allowed: {', '.join(_OPERATIONS)}")
    numeric = type_of.get(item["key"], item.get("type")) == "number"
    return item["key"], _OPERATIONS[name](item.get("value"), numeric)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise bad_query(f"{value!r} is compared with a number") from None


def _typed(value: Any, numeric: bool) -> Any:
    return _number(value) if numeric else str(value)


def _compare(hold: Callable[[Any, Any], bool]) -> Callable[[Any, bool], Test]:
    def make(value: Any, numeric: bool) -> Test:
        wanted = _typed(value, numeric)
        return lambda found: found is not None and hold(_typed(found, numeric), wanted)

    return make


def _member(inside: bool) -> Callable[[Any, bool], Test]:
    def make(value: Any, numeric: bool) -> Test:
        listed = value if isinstance(value, list) else str(value).split(",")
        wanted = {_typed(item if numeric else str(item).strip(), numeric) for item in listed}
        return lambda found: found is not None and (_typed(found, numeric) in wanted) is inside

    return make


def _text(hold: Callable[[str, str], bool]) -> Callable[[Any, bool], Test]:
    def make(value: Any, numeric: bool) -> Test:
        wanted = str(value)
        return lambda found: found is not None and hold(str(found), wanted)

    return make


def _regex(value: Any, numeric: bool) -> Test:
    try:
        pattern = re.compile(str(value)[:MAX_PATTERN])
    except re.error as error:
        raise bad_query(f"regex {value!r}: {error}") from None
    return lambda found: found is not None and pattern.search(str(found)) is not None


_OPERATIONS: dict[str, Callable[[Any, bool], Test]] = {
    "eq": _compare(lambda found, wanted: found == wanted),
    "neq": _compare(lambda found, wanted: found != wanted),
    "gt": _compare(lambda found, wanted: found > wanted),
    "gte": _compare(lambda found, wanted: found >= wanted),
    "lt": _compare(lambda found, wanted: found < wanted),
    "lte": _compare(lambda found, wanted: found <= wanted),
    "in": _member(inside=True),
    "not_in": _member(inside=False),
    "includes": _text(lambda found, wanted: wanted in found),
    "not_includes": _text(lambda found, wanted: wanted not in found),
    "starts_with": _text(lambda found, wanted: found.startswith(wanted)),
    "regex": _regex,
    "exists": lambda value, numeric: lambda found: found is not None,
    "is_null": lambda value, numeric: lambda found: found is None,
}
