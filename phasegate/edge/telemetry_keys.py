"""
The keys of an event, as Workers Observability names them, and how to read each.

A key that an event lacks is ``None``. This edge's reading of what Cloudflare leaves open: an
invocation that the client cut short has no response status, and only a failed one has ``$metadata.error``.
"""

from collections.abc import Callable

from phasegate.edge.telemetry import Row, Series

type_of: dict[str, str]
Value = str | float | None

_FAILURES = {
    "exception": "The script threw an exception",
    "canceled": "The client disconnected",
    "exceededResources": "The script exceeded its resources",
}


def _status(series: Series) -> Value:
    return None if series.outcome == "canceled" else series.status


def _error(series: Series) -> Value:
    return None if series.outcome == "ok" else _FAILURES.get(series.outcome, series.outcome)


SERIES_KEYS: dict[str, Callable[[Series], Value]] = {
    "$metadata.service": lambda series: series.script,
    "$metadata.type": lambda series: "cf-worker-event",
    "$metadata.origin": lambda series: "fetch",
    "$metadata.trigger": lambda series: f"{series.method} {series.path}",
    "$metadata.level": lambda series: "info" if series.outcome == "ok" else "error",
    "$metadata.error": _error,
    "$workers.scriptName": lambda series: series.script,
    "$workers.scriptVersion.id": lambda series: series.version_id,
    "$workers.eventType": lambda series: "fetch",
    "$workers.outcome": lambda series: series.outcome,
    "$workers.event.request.path": lambda series: series.path,
    "$workers.event.request.method": lambda series: series.method,
    "$workers.event.request.headers.user-agent": lambda series: series.agent or None,
    "$workers.event.response.status": _status,
}
ROW_KEYS: dict[str, Callable[[Row], Value]] = {
    "$workers.wallTimeMs": lambda row: row.wall_ms,
    "$workers.cpuTimeMs": lambda row: row.cpu_ms,
    "timestamp": lambda row: row.at_ms,
}
NUMBERS = frozenset({"$workers.event.response.status", *ROW_KEYS})
type_of = {key: "number" if key in NUMBERS else "string" for key in (*SERIES_KEYS, *ROW_KEYS)}


def event(series: Series, row: Row) -> dict[str, Value]:
    """One event as a flat mapping of the keys that it has."""
    values = {key: read(series) for key, read in SERIES_KEYS.items()}
    values |= {key: read(row) for key, read in ROW_KEYS.items()}
    return {key: value for key, value in values.items() if value is not None}
