"""Telemetry of made-up invocations, and short questions to it."""

import time

from edge_caller import counts

from phasegate.edge.model import Invocation
from phasegate.edge.telemetry import Telemetry
from phasegate.edge.telemetry_query import read_query, run_query

VERSION = "$workers.scriptVersion.id"


PATH = "$workers.event.request.path"


STATUS = "$workers.event.response.status"


WALL = "$workers.wallTimeMs"


NOW = float(int(time.time()) - 300)


def an_invocation(at=NOW, *, path="/", status=200, outcome="ok", version="v1", wall_ms=10.0):
    return Invocation(at, "demo", version, "GET", path, status, outcome, wall_ms, cpu_ms=1.0)


def kept(*invocations, **telemetry):
    store = Telemetry(**telemetry)
    for invocation in invocations:
        store.record(invocation)
    return store


def ask(store, *, groups=(), calculations=None, filters=(), start=NOW - 60, end=NOW + 60, **more):
    """The calculations of a query over ``[start, end)`` in epoch seconds."""
    parameters = {
        "filters": list(filters),
        "calculations": calculations or [{"operator": "count"}],
        "groupBys": [{"type": "string", "value": key} for key in groups],
    }
    body = {
        "view": "calculations",
        "timeframe": {"from": start * 1000, "to": end * 1000},
        "limit": 2000,
        "parameters": parameters | more.pop("parameters", {}),
    }
    return run_query(store, read_query(body | more))["calculations"]


def count(store, *filters, **more):
    (calculation,) = ask(store, filters=filters, **more)
    return counts(calculation).get((), 0)
