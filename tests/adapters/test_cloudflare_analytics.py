"""The second source against the edge, and against an account that has other quantiles or none."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from cloudflare_cloud import TIMEOUT, WORKER, Cloud, a_cloud
from pydantic import SecretStr

from phasegate.adapters.cloudflare import CloudflareAnalytics, CloudflareClient
from phasegate.domain.errors import MetricsAway
from phasegate.edge.auth import Permission
from tests.loopback import Reply, serve

SINCE = datetime(2026, 2, 17, 3, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with a_cloud() as cloud:
        yield cloud


def second(cloud: Cloud) -> CloudflareAnalytics:
    return CloudflareAnalytics(client_of(cloud.edge.api_url, cloud.edge.account_id, cloud.edge.token))


def client_of(url: str, account: str, token: str) -> CloudflareClient:
    return CloudflareClient(url, account, SecretStr(token), timeout=TIMEOUT, budget=1.0)


async def test_failed_invocations_are_counted_and_answers_of_500_are_not(cloud):
    """
    That is how Cloudflare defines errors: a gate on this source alone would promote a broken version.
    """
    first, other = await cloud.live_at(0, 100)
    since = datetime.now(UTC).replace(microsecond=0)
    await cloud.visit("/a", "/fail", "/throw", "/slow")

    rows, words = await second(cloud).count(WORKER, since=since, until=since + 10 * SECOND)

    (row,) = rows
    assert (row.version, row.requests, row.errors) == (other.id, 4, 1)
    assert other.id != first.id
    assert row.quantile == "wallTimeP95"
    assert row.wall is not None
    assert 100 < row.wall < 5000
    assert WORKER in words


async def test_the_end_of_the_window_is_not_part_of_it(cloud):
    """
    The data set includes the last second of its filter; the windows of the two sources must not.
    """
    await cloud.live_at(100)
    since = datetime.now(UTC).replace(microsecond=0)
    await cloud.visit("/a")

    rows, _ = await second(cloud).count(WORKER, since=since - 5 * SECOND, until=since)

    assert sum(row.requests for row in rows) == 0


@pytest.mark.parametrize(("fields", "quantile"), [(["wallTimeP90", "wallTimeP99"], "wallTimeP90"), ([], "")])
async def test_the_best_quantile_that_exists_is_used(fields, quantile):
    """
    Not every account has P95, and asking for one that does not exist fails the whole question.
    """
    asked: list[str] = []

    def answer(method: str, path: str, body: bytes) -> Reply:
        query = json.loads(body)["query"]
        asked.append(query)
        if "__type" in query:
            return Reply(200, {"data": {"__type": {"fields": [{"name": name} for name in fields]}}})
        row = {"dimensions": {"scriptVersion": "v"}, "sum": {"requests": 3, "errors": 0}}
        if fields:
            row["quantiles"] = {quantile: 1500}
        accounts = [{"workersInvocationsAdaptive": [row]}]
        return Reply(200, {"data": {"viewer": {"accounts": accounts}}, "errors": None})

    async with serve(answer) as server:
        source = CloudflareAnalytics(client_of(server.url, "acct", "t"))
        rows, _ = await source.count(WORKER, since=SINCE, until=SINCE + SECOND)
        await source.count(WORKER, since=SINCE, until=SINCE + SECOND)

    assert rows[0].wall == (1.5 if fields else None)
    assert rows[0].quantile == quantile
    assert sum("__type" in query for query in asked) == 1
    assert ("quantiles" in asked[-1]) is bool(fields)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(503, "away"),
        Reply(200, {"data": None, "errors": [{"message": "not authorized for that account"}]}),
        Reply(200, {"data": {"viewer": None}}),
        Reply(403, {"success": False, "errors": [{"code": 10000, "message": "Authentication error"}]}),
    ],
)
async def test_a_second_source_that_does_not_answer_is_away(reply):
    """
    Whatever the reason, nothing is known from it.
    """
    async with serve(lambda method, path, body: reply) as server:
        with pytest.raises(MetricsAway, match="GraphQL analytics"):
            await CloudflareAnalytics(client_of(server.url, "acct", "t")).count(
                WORKER, since=SINCE, until=SINCE + SECOND
            )


async def test_a_token_that_may_not_is_said():
    """
    The words name the permission that is missing.
    """
    tokens = {"full": frozenset(Permission), "poor": frozenset({Permission.SCRIPTS_READ})}
    async with a_cloud(tokens=tokens) as cloud:
        source = CloudflareAnalytics(client_of(cloud.edge.api_url, cloud.edge.account_id, "poor"))

        with pytest.raises(MetricsAway, match="Account Analytics Read"):
            await source.count(WORKER, since=SINCE, until=SINCE + SECOND)
