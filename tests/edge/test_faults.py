"""Faults happen as they were ordered, and what they hide really happened or did not."""

import asyncio
import time

import httpx
import pytest
from edge_caller import DEMO, split

from phasegate.edge.faults import Fault, FaultError, FaultKind, Faults, Match

WRITES = {"method": "POST", "path": "/deployments$"}


async def order(api, *rules):
    """Set the faults of a running edge from outside."""
    return (await api.http.put(f"{api.edge.origin}/edge/faults", json=list(rules))).json()


async def deployments(api):
    return len((await api.call("GET", f"{DEMO}/deployments"))["deployments"])


@pytest.mark.parametrize(
    ("rule", "acted"),
    [
        ({"kind": "status", "status": 500}, False),
        ({"kind": "status", "status": 502, "acted": True}, True),
        ({"kind": "rate_limit", "seconds": 7}, False),
    ],
)
async def test_an_answered_fault_acts_or_not_as_ordered(api, rule, acted):
    """
    After a 5xx a client cannot know whether its write happened.
    """
    version = await api.create()
    await order(api, rule | {"match": WRITES, "times": 1})

    response = await api.http.post(f"{api.account}{DEMO}/deployments", json=split((version, 100)))

    wanted = 429 if rule["kind"] == "rate_limit" else rule["status"]
    assert response.status_code == wanted
    assert response.headers.get("retry-after") == ("7" if wanted == 429 else None)
    assert await deployments(api) == (2 if acted else 1)


@pytest.mark.parametrize(("kind", "total"), [("timeout_before", 1), ("timeout_after", 2)])
async def test_a_timeout_hides_whether_the_call_acted(api, kind, total):
    """
    The answer that never comes is the case that makes clients write twice.
    """
    version = await api.create()
    await order(api, {"kind": kind, "seconds": 30, "match": WRITES, "times": 1})

    with pytest.raises(httpx.ReadTimeout):
        await api.http.post(f"{api.account}{DEMO}/deployments", json=split((version, 100)), timeout=2)

    assert await deployments(api) == total


@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after"])
async def test_a_dropped_connection_has_no_answer_at_all(api, kind):
    """
    With no seconds to hold it, the answer is a reset.
    """
    version = await api.create()
    await order(api, {"kind": kind, "match": WRITES, "times": 1})

    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await api.http.post(f"{api.account}{DEMO}/deployments", json=split((version, 100)))

    call = next(call for call in api.edge.calls.describe() if call["fault"])
    assert call["status"] == 0
    assert call["acted"] == (200 if kind == "timeout_after" else None)


async def test_every_call_may_fail_once_in_each_way(api):
    """
    A release must come through when each of its calls fails thrice.
    """
    await api.create()
    await order(
        api,
        {"kind": "status", "per_call": True},
        {"kind": "rate_limit", "seconds": 1, "per_call": True},
        {"kind": "timeout_after", "per_call": True},
    )

    outcomes = []
    for path in ("/deployments", "/versions") * 4:
        try:
            outcomes.append((await api.http.get(f"{api.account}{DEMO}{path}")).status_code)
        except httpx.TransportError:
            outcomes.append(0)

    assert outcomes == [500, 500, 429, 429, 0, 0, 200, 200]


async def test_a_slow_answer_is_late_but_right(api):
    """
    Slowness alone is no error.
    """
    await order(api, {"kind": "slow", "seconds": 0.3})
    started = time.monotonic()

    response = await api.http.get("/user")

    assert response.status_code == 200
    assert time.monotonic() - started >= 0.3


async def test_a_lagging_split_is_configured_before_it_is_served(api):
    """
    Cloudflare's traffic follows a deployment seconds later, so clients must look at the traffic.
    """
    stable, canary = await api.create(), await api.upload()
    await order(api, {"kind": "lag", "seconds": 0.8})

    await api.split((canary, 100))

    assert await api.visit("/") == ["v1"]
    listed = await api.call("GET", f"{DEMO}/deployments")
    assert listed["deployments"][0]["versions"][0]["version_id"] == canary
    await asyncio.sleep(0.9)
    assert await api.visit("/") == ["v2"]
    assert stable != canary


async def test_telemetry_may_be_away_while_the_rest_works(api):
    """
    A gate that cannot see must not pass.
    """
    await api.create()
    await order(api, {"kind": "telemetry_down"})

    metrics = await api.refusal("POST", "/workers/observability/telemetry/query", json={})
    graphql = await api.http.post("/graphql", json={})

    assert metrics == (503, 10013)
    assert graphql.status_code == 503
    assert await deployments(api) == 1


async def test_faults_can_be_read_and_ended(api):
    """
    A test in another process sees how often each happened.
    """
    await order(api, {"kind": "status", "times": 1})
    await api.http.get("/user")
    url = f"{api.edge.origin}/edge/faults"

    (rule,) = (await api.http.get(url)).json()["result"]
    ended = (await api.http.delete(url)).json()["result"]

    assert rule["hits"] == 1
    assert ended == []


async def test_faults_are_ordered_with_the_token_only(api):
    """
    What can break the API is not open to everyone.
    """
    async with httpx.AsyncClient() as stranger:
        response = await stranger.put(f"{api.edge.origin}/edge/faults", json=[])

    assert response.status_code == 401


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"kind": "explode"},
        {"kind": "slow", "seconds": -1},
        {"kind": "slow", "seconds": "long"},
        {"kind": "status", "status": 200},
        {"kind": "slow", "match": {"path": "("}},
        {"kind": "slow", "match": {"host": "x"}},
        {"kind": "slow", "often": 3},
        {"kind": "slow", "times": 0},
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(rule):
    """
    A fault that silently never happens proves nothing.
    """
    with pytest.raises(FaultError):
        Fault.read(rule)


def test_every_nth_call_is_hit():
    """
    Rates of failure are exact.
    """
    faults = Faults()
    faults.add(Fault(FaultKind.STATUS, every=3, match=Match(method="GET")))

    hit = [faults.take("GET", "/x") is not None for _ in range(9)]

    assert hit == [False, False, True] * 3
    assert faults.take("POST", "/x") is None
