"""What can be asked of Workers Observability, and what is refused."""

import time

import pytest
from edge_caller import counts
from telemetry_case import NOW, PATH, STATUS, VERSION, WALL, an_invocation, ask, kept

from phasegate.edge.envelope import ApiError
from phasegate.edge.telemetry import Telemetry
from phasegate.edge.telemetry_query import read_keys, read_query, read_values, run_query


@pytest.mark.parametrize(
    "change",
    [
        {"timeframe": {"from": 2, "to": 1}},
        {"timeframe": None},
        {"view": "traces"},
        {"limit": 0},
        {"parameters": {"calculations": [{"operator": "mode", "key": WALL}]}},
        {"parameters": {"calculations": [{"operator": "p95"}]}},
        {"parameters": {"calculations": [{"operator": "avg", "key": PATH}]}},
        {"parameters": {"filters": [{"key": PATH, "operation": "like"}]}},
        {"parameters": {"filters": [{"key": PATH, "operation": "regex", "value": "("}]}},
        {"parameters": {"filters": [{"key": STATUS, "operation": "gt", "value": "many"}]}},
        {"parameters": {"filterCombination": "xor"}},
        {"parameters": {"groupBys": [{"value": "timestamp"}]}},
    ],
)
def test_a_query_that_cannot_be_read_is_refused(change):
    """
    An empty answer to a misread question would pass for health.
    """
    body = {"view": "calculations", "timeframe": {"from": 1, "to": 2}, "parameters": {}}

    with pytest.raises(ApiError) as refused:
        read_query(body | change)

    assert refused.value.status == 400


def test_what_each_event_has_of_its_own_may_be_a_key_of_groups():
    """
    Groups by wall time tell a whole distribution in one answer.
    """
    store = kept(*(an_invocation(path="/a", wall_ms=took) for took in (10.0, 12.5, 12.5)), an_invocation())

    (calculation,) = ask(store, groups=(PATH, WALL))

    assert counts(calculation) == {("/a", 12.5): 2, ("/a", 10.0): 1, ("/", 10.0): 1}


def test_keys_and_values_are_discoverable():
    """
    Clients verify key names before they rely on them.
    """
    store = kept(an_invocation(path="/a"), an_invocation(path="/b"))
    frame = {"from": (NOW - 1) * 1000, "to": (NOW + 1) * 1000}

    keys = {each["key"]: each["type"] for each in read_keys(store, {"timeframe": frame})}
    values = read_values(store, {"timeframe": frame, "key": PATH, "type": "string"})

    assert keys[STATUS] == "number"
    assert keys[VERSION] == "string"
    assert "$metadata.error" not in keys
    assert [each["value"] for each in values] == ["/a", "/b"]


def test_events_can_be_listed():
    """
    The newest first, as many as asked for.
    """
    store = kept(*[an_invocation(NOW + second, path=f"/{second}") for second in range(5)])
    body = {"view": "events", "timeframe": {"from": NOW * 1000, "to": (NOW + 60) * 1000}, "limit": 2}

    found = run_query(store, read_query(body))["events"]

    assert [event[PATH] for event in found["events"]] == ["/4", "/3"]
    assert found["count"] == 5


def test_old_minutes_are_forgotten():
    """
    Memory is bounded by time, whatever the paths held.
    """
    old = time.time() - 3 * 3600
    store = kept(*[an_invocation(old, path=f"/{number}") for number in range(100)])

    store.record(an_invocation(time.time()))

    assert len(store) == 1


def test_a_busy_minute_is_read_quickly():
    """
    A gate asks every second; the limit here is loose because machines are shared.
    """
    store = Telemetry()
    for number in range(20_000):
        at = NOW + number * 60 / 20_000
        store.record(an_invocation(at, path=f"/{number % 10}", version=f"v{number % 2}"))
    started = time.perf_counter()

    (calculation,) = ask(store, groups=(VERSION, PATH))

    assert sum(counts(calculation).values()) == 20_000
    assert time.perf_counter() - started < 1.0
