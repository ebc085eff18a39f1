"""Versions and traffic against the local edge: real HTTP, real versions, every fault in turn."""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cloudflare_cloud import INTERVAL, TIMEOUT, WORKER, Cloud, a_bundle, a_cloud
from pydantic import SecretStr

from phasegate.adapters.cloudflare import CloudflareClient, CloudflareTarget, CloudflareTelemetry
from phasegate.domain.errors import BundleError, CannotRestore, Drift, MetricsAway, SettingsError
from phasegate.domain.plan import Environment
from phasegate.domain.versions import Split

FAULTS: dict[str, dict[str, Any]] = {
    "429": {"kind": "rate_limit", "seconds": 0.3},
    "500 before acting": {"kind": "status", "status": 500},
    "500 after acting": {"kind": "status", "status": 500, "acted": True},
    "timeout before acting": {"kind": "timeout_before", "seconds": TIMEOUT + 1},
    "timeout after acting": {"kind": "timeout_after", "seconds": TIMEOUT + 1},
    "reset before acting": {"kind": "timeout_before", "seconds": 0},
    "reset after acting": {"kind": "timeout_after", "seconds": 0},
}


@pytest.fixture
async def cloud(request: pytest.FixtureRequest) -> AsyncIterator[Cloud]:
    async with a_cloud(**getattr(request, "param", {})) as cloud:
        yield cloud


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_release_survives_every_fault_of_every_call(cloud, fault):
    """
    Each kind of call fails once, and still every intent is one effective write.
    """
    await cloud.fail({**FAULTS[fault], "per_call": True})

    first = await cloud.target.create(
        WORKER, a_bundle("v1"), environment=Environment.PRODUCTION, release="r-0"
    )
    second = await cloud.upload("v2")
    await cloud.split(Split.between(first.id, second.id, canary_weight=10))
    batch = await cloud.collect(since=datetime.now(UTC) - 2 * INTERVAL)

    live = await cloud.target.live(WORKER)
    assert {share.version: share.weight for share in live.split.shares} == {first.id: 90, second.id: 10}
    assert [version.tag for version in await cloud.target.versions(WORKER)] == ["v2", "v1"]
    assert len(batch.minutes) == 2
    assert await cloud.writes() == [f"PUT {WORKER}", "POST versions", "POST deployments"]


async def test_a_foreign_split_is_drift(cloud):
    """
    What somebody else deployed is not ours to overwrite.
    """
    first, second = await cloud.live_at(100, 0)
    was = (await cloud.target.live(WORKER)).id
    await cloud.split(Split.whole(second.id))
    before = await cloud.writes()

    with pytest.raises(Drift, match="somebody else deployed"):
        await cloud.target.set_split(
            WORKER, Split.between(first.id, second.id, canary_weight=10), message="m", was=was
        )

    assert await cloud.writes() == before


async def test_a_version_with_older_secrets_is_not_forced_back(cloud):
    """
    Bringing it back with other secrets is for a person to decide.
    """
    first = (await cloud.live_at(100))[0]
    secret = {"name": "KEY", "type": "secret_text", "text": "x"}
    url = f"{cloud.edge.api_url}/accounts/{cloud.edge.account_id}/workers/scripts/{WORKER}/secrets"
    answer = await cloud.http.put(url, json=secret, headers={"Authorization": f"Bearer {cloud.edge.token}"})
    assert answer.is_success, answer.text

    with pytest.raises(CannotRestore, match="10220"):
        await cloud.split(Split.whole(first.id))


async def test_a_start_that_fails_is_told_in_the_words_of_the_platform(cloud):
    """
    The author corrects the module from its own error.
    """
    await cloud.live_at(100)
    broken = a_bundle("v2", app='raise RuntimeError("no such material")\n')

    with pytest.raises(BundleError, match=r"no such material.*10021"):
        await cloud.target.upload(WORKER, broken, environment=Environment.PRODUCTION, release="r-1")


async def test_a_worker_comes_and_goes(cloud):
    """
    Staging is made and cleaned up like this.
    """
    assert await cloud.target.live(WORKER) is None
    await cloud.live_at(100)

    await cloud.target.delete(WORKER)

    assert await cloud.target.live(WORKER) is None


async def test_a_wrong_token_is_a_setting_and_is_never_shown(cloud, caplog):
    """
    Nobody should find a token in a log, not even a wrong one.
    """
    caplog.set_level(logging.DEBUG)
    wrong = "wr0ng-Token-value"
    client = CloudflareClient(cloud.edge.api_url, cloud.edge.account_id, SecretStr(wrong), timeout=TIMEOUT)

    with pytest.raises(SettingsError, match="refuses the token") as refusal:
        await CloudflareTarget(client, front_door="http://{worker}.localhost").live(WORKER)
    with pytest.raises(MetricsAway, match="refuses the token"):
        await CloudflareTelemetry(client).collect(
            WORKER,
            since=datetime.now(UTC) - 2 * INTERVAL,
            now=datetime.now(UTC),
            interval=INTERVAL,
            settle=timedelta(0),
            cuts=(),
        )
    await client.close()

    assert wrong not in str(refusal.value) + caplog.text
