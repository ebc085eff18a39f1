"""What Workers Observability tells of the traffic, and what it hides."""

from datetime import timedelta

import pytest
from edge_caller import counts, serving, until
from telemetry_case import NOW, PATH, STATUS, VERSION, WALL, an_invocation, ask, count, kept


async def test_real_requests_show_by_version_path_and_status(api):
    """
    A returned 500 is counted with its status, which GraphQL cannot see.
    """
    stable, canary = await api.create(), await api.upload()
    await api.split((canary, 50), (stable, 50))
    await api.visit(*["/"] * 10, *["/bad"] * 10)

    (calculation,) = await api.query(groups=(VERSION, PATH, STATUS))

    assert counts(calculation) == {
        (stable, "/", 200): 5,
        (canary, "/", 200): 5,
        (stable, "/bad", 500): 5,
        (canary, "/bad", 500): 5,
    }


async def test_an_exception_and_a_returned_500_differ_in_outcome(api):
    """
    Only what the Worker threw is a failed invocation.
    """
    await api.create()
    await api.visit("/bad", "/throw", "/throw")

    (calculation,) = await api.query(groups=("$workers.outcome", STATUS))

    assert counts(calculation) == {("ok", 500): 1, ("exception", 500): 2}


async def test_an_aggregate_has_cloudflares_shape(api):
    """
    Value, count, interval, sampling and groups.
    """
    version = await api.create()
    await api.visit("/", "/")

    calculation, p95 = await api.query(
        groups=(VERSION,),
        calculations=[
            {"operator": "count", "alias": "n"},
            {"operator": "p95", "key": WALL, "keyType": "number", "alias": "p95"},
        ],
    )

    (aggregate,) = calculation["aggregates"]
    assert calculation["alias"] == "n"
    assert calculation["series"] == []
    assert aggregate["groups"] == [{"key": VERSION, "value": version}]
    assert {key: aggregate[key] for key in ("value", "count", "sampleInterval")} == {
        "value": 2,
        "count": 2,
        "sampleInterval": 1,
    }
    assert 0 < p95["aggregates"][0]["value"] < 5000


async def test_young_events_do_not_show_yet():
    """
    The real service aggregates late, so the last moments read low.
    """
    async with serving(telemetry_lag=timedelta(seconds=1)) as api:
        await api.create()
        await api.visit("/")
        (before,) = await api.query()

        async def shown() -> bool:
            (after,) = await api.query()
            return counts(after) == {(): 1}

        await until(shown)

    assert before["aggregates"] == []


def test_sampling_keeps_one_event_in_n_of_each_version():
    """
    Counts are estimates: the value is scaled, the number of kept events is told beside it.
    """
    events = [an_invocation(version=version) for version in ("v1", "v2") for _ in range(100)]
    store = kept(*events, sampling=10.0)

    (calculation,) = ask(store, groups=(VERSION,))

    assert counts(calculation) == {("v1",): 100, ("v2",): 100}
    assert [aggregate["count"] for aggregate in calculation["aggregates"]] == [10, 10]
    assert {aggregate["sampleInterval"] for aggregate in calculation["aggregates"]} == {10.0}


def test_an_event_without_a_group_key_disappears():
    """
    Totals must come from a query without groups.
    """
    store = kept(an_invocation(), an_invocation(status=499, outcome="canceled"))

    (grouped,) = ask(store, groups=(STATUS,))

    assert counts(grouped) == {(200,): 1}
    assert count(store) == 2
    assert ask(store, groups=("no.such.key",))[0]["aggregates"] == []


def test_a_timeframe_is_half_open():
    """
    Windows that touch count each event once.
    """
    store = kept(*[an_invocation(NOW + second / 4) for second in range(16)])

    seconds = [count(store, start=NOW + step, end=NOW + step + 1) for step in range(4)]
    odd = [count(store, start=NOW + step / 3, end=NOW + (step + 1) / 3) for step in range(12)]

    assert seconds == [4, 4, 4, 4]
    assert sum(odd) == 16


@pytest.mark.parametrize(
    ("operation", "key", "value", "matching"),
    [
        ("eq", STATUS, 500, 1),
        ("neq", STATUS, "500", 2),
        ("gte", STATUS, 404, 2),
        ("gt", WALL, 2000, 1),
        ("lte", WALL, 2000, 3),
        ("in", PATH, "/a,/b", 3),
        ("not_in", PATH, ["/a"], 2),
        ("includes", PATH, "c", 1),
        ("starts_with", PATH, "/", 4),
        ("regex", PATH, "^/[ab]$", 3),
        ("exists", STATUS, None, 3),
        ("is_null", STATUS, None, 1),
        ("neq", "no.such.key", "x", 0),
        ("EXISTS", "$metadata.error", None, 1),
    ],
)
def test_filters_choose_events(operation, key, value, matching):
    """
    A key that an event lacks matches only `is_null`.
    """
    store = kept(
        an_invocation(path="/a", wall_ms=2000.0),
        an_invocation(path="/a", status=404),
        an_invocation(path="/b", status=500, wall_ms=2001.0),
        an_invocation(path="/c", status=499, outcome="canceled"),
    )

    found = count(store, {"key": key, "operation": operation, "type": "string", "value": value})

    assert found == matching


def test_filters_may_be_joined_by_or():
    """
    Slow or failed: one query.
    """
    store = kept(an_invocation(), an_invocation(status=500), an_invocation(wall_ms=3000.0))
    filters = [
        {"key": STATUS, "operation": "gte", "type": "number", "value": 500},
        {"key": WALL, "operation": "gt", "type": "number", "value": 2000},
    ]

    either = ask(store, parameters={"filters": filters, "filterCombination": "or"})
    both = ask(store, parameters={"filters": filters, "filterCombination": "and"})

    assert counts(either[0]) == {(): 2}
    assert both[0]["aggregates"] == []


def test_operators_calculate_over_a_number():
    """
    A percentile is a value that really occurred.
    """
    store = kept(*[an_invocation(wall_ms=float(ms)) for ms in range(1, 101)])
    operators = ("avg", "min", "max", "sum", "median", "p90", "p95", "p99", "p999", "uniq")

    values = {
        calculation["alias"]: calculation["aggregates"][0]["value"]
        for calculation in ask(
            store, calculations=[{"operator": operator, "key": WALL} for operator in operators]
        )
    }

    assert values == {
        "avg": 50.5,
        "min": 1,
        "max": 100,
        "sum": 5050,
        "median": 50,
        "p90": 90,
        "p95": 95,
        "p99": 99,
        "p999": 100,
        "uniq": 100,
    }
