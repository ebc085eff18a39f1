"""Counts per version and endpoint against the local edge: real requests, lag, sampling, outages."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from cloudflare_cloud import INTERVAL, TIMEOUT, WORKER, Cloud, a_cloud
from pydantic import SecretStr

from phasegate.adapters.cloudflare import CloudflareClient, CloudflareTelemetry, queries
from phasegate.domain.errors import MetricsAway
from phasegate.domain.synthetic import USER_AGENT, apart
from tests.loopback import Reply, serve


@pytest.fixture
async def cloud(request: pytest.FixtureRequest) -> AsyncIterator[Cloud]:
    async with a_cloud(**getattr(request, "param", {})) as cloud:
        yield cloud


async def a_full_second() -> datetime:
    """Wait for a second to begin, so that what follows shares one interval."""
    now = datetime.now(UTC)
    start = now.replace(microsecond=0) + timedelta(seconds=1)
    await asyncio.sleep((start - now).total_seconds())
    return start


async def until(moment: datetime) -> None:
    await asyncio.sleep(max((moment - datetime.now(UTC)).total_seconds(), 0))


async def test_answers_are_counted_by_version_and_endpoint(cloud):
    """
    Returned 5xx and throws are errors, slow answers are above their cut, ids are one endpoint.
    """
    first, second = await cloud.live_at(0, 100)
    start = await a_full_second()
    await cloud.visit("/items/1", "/items/2", "/fail", "/throw", "/slow")
    await until(start + 2 * INTERVAL)

    batch = await cloud.collect(since=start)

    counts = {count.endpoint: count for count in batch.minutes[0].counts}
    assert {name: (c.total, c.errors) for name, c in counts.items()} == {
        "GET /items/:id": (2, 0),
        "GET /fail": (1, 1),
        "GET /throw": (1, 1),
        "GET /slow": (1, 0),
    }
    assert counts["GET /slow"].slow == ((300, 1), (2000, 0))
    assert {count.version for count in counts.values()} == {second.id} != {first.id}
    assert batch.minutes[0].unattributed == 0
    assert WORKER in batch.minutes[0].query


async def test_our_own_requests_are_counted_apart(cloud):
    """
    By their user agent, with the same errors, cuts and throws, so that they can be taken out of the others.
    """
    (first,) = await cloud.live_at(100)
    start = await a_full_second()
    await cloud.visit("/items/1", "/fail")
    await cloud.visit("/fail", "/throw", "/slow", agent=USER_AGENT)
    await until(start + 2 * INTERVAL)
    cuts = (300, 2000)

    own = await cloud.telemetry.marked(WORKER, since=start, until=start + INTERVAL, cuts=cuts)
    none = await cloud.telemetry.marked(WORKER, since=start - INTERVAL, until=start, cuts=cuts)
    (everything,) = (await cloud.collect(since=start)).minutes[:1]

    assert {count.endpoint: (count.total, count.errors, count.slow) for count in own.counts} == {
        "GET /fail": (1, 1, ((300, 0), (2000, 0))),
        "GET /throw": (1, 1, ((300, 0), (2000, 0))),
        "GET /slow": (1, 0, ((300, 1), (2000, 0))),
    }
    assert none.counts == ()
    assert everything.total(first.id) == 5
    users = apart(everything, own)
    assert {count.endpoint: (count.total, count.errors) for count in users.counts} == {
        "GET /items/:id": (1, 0),
        "GET /fail": (1, 1),
    }


async def test_intervals_are_aligned_complete_and_at_most_sixty(cloud):
    """
    An interval that is still running, or that may still grow, is not judged.
    """
    await cloud.live_at(100)
    now = datetime.now(UTC)
    since = now - timedelta(seconds=100.5)

    late = await cloud.collect(since=since, now=now)
    recent = await cloud.collect(since=since, now=now, settle=timedelta(seconds=95))

    assert [minute.start for minute in late.minutes] == [since + k * INTERVAL for k in range(60)]
    assert [minute.end for minute in recent.minutes] == [since + k * INTERVAL for k in range(1, 6)]
    assert recent.settled_until == now - timedelta(seconds=95)
    assert all(minute.counts == () for minute in late.minutes)


async def test_an_interval_costs_two_queries(cloud):
    """
    Cloudflare allows 1,200 calls in five minutes for all of a token's users.
    """
    await cloud.live_at(50, 50)
    start = await a_full_second()
    await cloud.visit("/a", "/b")
    await until(start + INTERVAL)

    batch = await cloud.collect(since=start)

    assert await asked(cloud) == 2 * len(batch.minutes) > 0


async def asked(cloud: Cloud) -> int:
    return sum("telemetry" in call["path"] for call in await cloud.calls())


async def test_more_than_an_answer_holds_is_not_asked_for_in_vain_again_and_again(cloud, monkeypatch):
    """
    After a busy interval ten are asked cut by cut: total, answers and two cuts here, and what is left.
    """
    monkeypatch.setattr(queries, "LIMIT", 2)
    await cloud.live_at(100)
    start = await a_full_second()
    await cloud.visit("/a", "/b", "/fail")
    await until(start + 3 * INTERVAL)

    busy = await cloud.collect(since=start, now=start + INTERVAL)
    first = await asked(cloud)
    await cloud.collect(since=start, now=start + 3 * INTERVAL)

    assert sum(count.total for count in busy.minutes[0].counts) == 3
    assert first == 2 + 4 + 4
    assert await asked(cloud) - first == (4 + 4) + 4 + 4


async def test_a_platform_that_refuses_groups_by_wall_time_is_asked_cut_by_cut():
    """
    Cloudflare's documentation names no key by which one must not group, and none by which one may.
    """
    async with serve(_refusing) as cloudflare:
        client = CloudflareClient(cloudflare.url, "a1", SecretStr("secret"), timeout=TIMEOUT, budget=5)
        now = datetime.now(UTC)
        batch = await CloudflareTelemetry(client).collect(
            WORKER, since=now - INTERVAL, now=now, interval=INTERVAL, settle=0 * INTERVAL, cuts=(300,)
        )
        await client.close()

    assert [(count.total, count.slow) for count in batch.minutes[0].counts] == [(3, ((300, 3),))]


def _refusing(method: str, path: str, body: bytes) -> Reply:
    groups = [group["value"] for group in json.loads(body)["parameters"]["groupBys"]]
    if queries.WALL_TIME in groups:
        told = {"success": False, "errors": [{"code": 10001, "message": "not groupable"}], "result": None}
        return Reply(400, told)
    values = {queries.STATUS: 200, queries.OUTCOME: "ok", queries.METHOD: "GET", queries.ROUTE: "/a"}
    named = [{"key": key, "value": values.get(key, "v1")} for key in groups]
    aggregate = {"value": 3, "count": 3, "interval": 1000, "sampleInterval": 1, "groups": named}
    result = {"calculations": [{"alias": "n", "calculation": "count", "aggregates": [aggregate]}]}
    return Reply(200, {"success": True, "errors": [], "messages": [], "result": result})


async def test_endpoints_beyond_the_longest_answer_are_still_judged(cloud, monkeypatch):
    """
    More groups than an answer holds must hide neither requests, nor errors, nor slowness.
    """
    monkeypatch.setattr(queries, "LIMIT", 2)
    first = (await cloud.live_at(100))[0]
    start = await a_full_second()
    await cloud.visit("/a", "/a", "/a", "/b", "/b", "/fail", "/throw", "/slow")
    await until(start + 3 * INTERVAL)

    batch = await cloud.collect(since=start, interval=2 * INTERVAL)

    minute = batch.minutes[0]
    assert (minute.total(first.id), minute.errors(first.id), minute.slower(first.id, cut=300)) == (8, 2, 1)
    assert {count.endpoint: count.total for count in minute.counts}["(other)"] == 3
    assert minute.unattributed == 0


@pytest.mark.parametrize("cloud", [{"telemetry_lag": timedelta(seconds=2)}], indirect=True)
async def test_what_the_source_shows_late_is_waited_for(cloud):
    """
    With a settling time above the lag, nothing is missed; the watermark says how far it is settled.
    """
    await cloud.live_at(100)
    start = await a_full_second()
    await cloud.visit("/a", "/b", "/c")

    early = await cloud.collect(since=start, settle=timedelta(seconds=2))
    await until(start + INTERVAL + timedelta(seconds=2.5))
    settled = await cloud.collect(since=start, settle=timedelta(seconds=2))

    assert early.minutes == ()
    assert early.settled_until < start + INTERVAL
    assert sum(count.total for count in settled.minutes[0].counts) == 3


@pytest.mark.parametrize("cloud", [{"sampling": 4.0}], indirect=True)
async def test_sampled_counts_are_the_rows_that_were_stored(cloud):
    """
    One row of four is evidence of one request; taking it for four rolls healthy versions back.
    """
    first = (await cloud.live_at(100))[0]
    start = await a_full_second()
    await cloud.visit(*["/a"] * 40)
    await until(start + 3 * INTERVAL)

    batch = await cloud.collect(since=start)

    assert sum(minute.total(first.id) for minute in batch.minutes) == 10
    assert any("1 in 4 stored" in minute.query for minute in batch.minutes)


async def test_a_source_that_is_away_is_neither_silence_nor_breach(cloud):
    """
    Nothing is known, which is not the same as nobody served.
    """
    await cloud.live_at(100)
    await cloud.fail({"kind": "telemetry_down"})

    with pytest.raises(MetricsAway, match=r"Workers Observability: POST .* HTTP 503"):
        await cloud.collect(since=datetime.now(UTC) - 3 * INTERVAL)


async def test_what_was_read_before_the_source_went_away_is_kept(cloud):
    """
    After an outage each call makes progress, however short the source is back.
    """
    await cloud.live_at(100)
    since = datetime.now(UTC) - 30 * INTERVAL
    down = {"kind": "status", "status": 503, "match": {"path": "telemetry"}}
    await cloud.fail({"kind": "slow", "times": 8, "match": {"path": "telemetry"}}, down)

    batch = await cloud.collect(since=since)

    assert [minute.start for minute in batch.minutes] == [since + k * INTERVAL for k in range(4)]
