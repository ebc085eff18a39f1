"""What holds the connections of one source must not hold up what reads and moves traffic."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cloudflare_platform import Platform, good
from loopback import Answer, Loopback, Reply, serve

from phasegate.actions.outside import Outside
from phasegate.adapters.cloudflare.telemetry import QUERIES_AT_ONCE
from phasegate.domain.errors import MetricsAway, TargetAway
from phasegate.domain.observation import Batch
from phasegate.domain.versions import Split
from phasegate.settings import Settings
from phasegate.wiring import outside

MINUTE = timedelta(minutes=1)
ONE_TOKEN = {"token": "all"}
OWN_TOKENS = {"token_reader": "reader", "token_rollout": "rollout"}
FOR_EVER = 600.0


class Hanging:
    """Telemetry that accepts queries and answers none; everything else is for *answer*."""

    def __init__(self, answer: Answer) -> None:
        self.queries = 0
        self.full = asyncio.Event()
        self._answer = answer

    def __call__(self, method: str, path: str, body: bytes) -> Reply | None:
        if "telemetry" not in path:
            return self._answer(method, path, body)
        self.queries += 1
        if self.queries == QUERIES_AT_ONCE:
            self.full.set()
        return Reply(503, after=FOR_EVER)


@asynccontextmanager
async def hands_of(server: Loopback, tmp_path: Path, tokens: dict[str, str]) -> AsyncIterator[Outside]:
    settings = Settings(api_url=server.url, account_id="acct", project=tmp_path, **tokens)
    async with outside(settings, role="test") as hands:
        yield hands


@asynccontextmanager
async def hanging(answer: Answer, tmp_path: Path, tokens: dict[str, str]) -> AsyncIterator[tuple[Any, Any]]:
    """Hands that wait for as many queries as are asked at once, and the telemetry that answers none."""
    telemetry = Hanging(answer)
    async with serve(telemetry) as server, hands_of(server, tmp_path, tokens) as hands:
        asking = [asyncio.create_task(collected(hands, worker)) for worker in ("busy", "busier")]
        await telemetry.full.wait()
        yield hands, telemetry
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def collected(hands: Outside, worker: str) -> Batch:
    now = datetime.now(UTC)
    return await hands.metrics.collect(
        worker, since=now - 4 * MINUTE, now=now, interval=MINUTE, settle=timedelta(0), cuts=(300,)
    )


def uncounted(method: str, path: str, body: bytes) -> Reply:
    """An account of GraphQL without quantiles and without invocations."""
    return Reply(200, {"data": {"__type": None, "viewer": {"accounts": []}}})


@pytest.mark.parametrize("tokens", [ONE_TOKEN, OWN_TOKENS], ids=["one token", "a token for each role"])
async def test_a_take_back_does_not_wait_for_telemetry_that_hangs(tmp_path, tokens):
    """
    The service that breaches must not queue behind the queries about another one.
    """
    platform = Platform()
    stable, _ = platform.worker("api", 90, 10)

    async with hanging(platform.answer, tmp_path, tokens) as (hands, telemetry):
        was = await hands.target.live("api")
        live = await hands.target.set_split("api", Split.whole(stable), message="back", was=was.id)

        # None of the first queries was given up to make room.
        assert telemetry.queries == QUERIES_AT_ONCE
        assert [share.version for share in live.split.shares] == [stable]


@pytest.mark.parametrize("tokens", [ONE_TOKEN, OWN_TOKENS], ids=["one token", "a token for each role"])
async def test_the_second_source_does_not_wait_for_telemetry_that_hangs(tmp_path, tokens):
    """
    It is there for when the first one is away.
    """
    now = datetime.now(UTC)

    async with hanging(uncounted, tmp_path, tokens) as (hands, telemetry):
        counted, _ = await hands.second.count("api", since=now - MINUTE, until=now)

        assert telemetry.queries == QUERIES_AT_ONCE
        assert counted == ()


async def test_what_one_source_hears_of_a_rate_limit_holds_for_all_of_the_token(tmp_path):
    """
    Calls made against the limit prolong it, whatever they ask for.
    """

    def answer(method: str, path: str, body: bytes) -> Reply | None:
        if "telemetry" in path:
            return Reply(429, {"success": False, "errors": []}, {"retry-after": "40"})
        return good({"deployments": []})

    async with serve(answer) as server, hands_of(server, tmp_path, ONE_TOKEN) as hands:
        with pytest.raises(MetricsAway, match="HTTP 429"):
            await collected(hands, "busy")
        with pytest.raises(TargetAway, match="not sent, the rate limit holds"):
            await hands.target.live("api")
        with pytest.raises(MetricsAway, match="not sent, the rate limit holds"):
            await hands.second.count("api", since=datetime.now(UTC) - MINUTE, until=datetime.now(UTC))
