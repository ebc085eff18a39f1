"""Health checks and the load test against a real server on loopback."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from loopback import Loopback, Reply, serve

from phasegate.adapters.checks_http import HttpChecks
from phasegate.adapters.clock import SystemClock
from phasegate.domain.errors import FixTheInput
from phasegate.domain.phase import Load
from phasegate.domain.plan import HealthContract
from phasegate.domain.quantities import parse_duration
from phasegate.domain.synthetic import USER_AGENT, SyntheticRequest

HEALTHY = {
    "status": "healthy",
    "timestamp": "2026-02-17T02:00:00Z",
    "version": "0.1.11",
    "checks": {"assets": True, "database": True},
}


def a_contract(**changes: object) -> HealthContract:
    runbook = {
        "path": "/health",
        "every": "1m",
        "status": 200,
        "within": "1000ms",
        "fields": ("status", "timestamp", "version", "checks.assets", "checks.database"),
        "expect": {"status": "healthy", "checks.database": True},
    }
    return HealthContract.model_validate({**runbook, **changes})


@pytest.fixture
async def checks(tmp_path):
    checks = HttpChecks(SystemClock(), project=tmp_path)
    yield checks
    await checks.aclose()


async def test_a_healthy_answer_has_no_fault(checks):
    """
    The probe says who served it, so that a rollback can be verified.
    """
    async with serve(lambda *_: Reply(200, HEALTHY)) as server:
        probe = await checks.health(server.url, a_contract())

    assert probe.ok
    assert probe.faults == ()
    assert (probe.status, probe.served_by) == (200, "0.1.11")
    assert probe.url == f"{server.url}/health"
    assert timedelta(0) < probe.elapsed < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (503, HEALTHY, "status 503 instead of 200"),
        (302, HEALTHY, "status 302 instead of 200"),
        (200, b"<html>", "the body is not JSON: '<html>'"),
        (200, b"[" * 50_000, "the body is not JSON"),
        (200, [1], "the body is not a JSON object but list"),
        (200, {**HEALTHY, "checks": {"assets": True}}, "field 'checks.database' is missing"),
        (200, {**HEALTHY, "checks": None}, "field 'checks.assets' is missing"),
        (200, {**HEALTHY, "status": "degraded"}, 'field \'status\' is "degraded" instead of "healthy"'),
        (
            200,
            {**HEALTHY, "checks": {"assets": True, "database": 1}},
            "field 'checks.database' is 1 instead of true",
        ),
        (200, b"x" * 100_000, "the body is longer than 64 KiB"),
    ],
)
async def test_each_breach_of_the_contract_is_a_sentence(checks, status, body, fault):
    """
    A person who is woken reads what was wrong, not that something was.
    """
    async with serve(lambda *_: Reply(status, body, headers={"Location": "/x"})) as server:
        probe = await checks.health(server.url, a_contract())

    assert not probe.ok
    assert any(fault in one for one in probe.faults)


async def test_a_slow_answer_is_a_failure_and_no_answer_another(checks):
    """
    The contract's time counts, and nothing waits much longer than that.
    """
    contract = a_contract(within="50ms")
    async with serve(lambda *_: Reply(200, HEALTHY, after=0.2)) as slow:
        late = await checks.health(slow.url, contract)
    async with serve(lambda *_: Reply(200, HEALTHY, after=30)) as hanging:
        none = await asyncio.wait_for(checks.health(hanging.url, contract), timeout=5)

    assert late.status == 200
    assert "allowed are 50 ms" in late.faults[0]
    assert none.status is None
    assert none.faults == ("no answer within 1050ms",)


async def test_a_service_that_refuses_connections_fails_the_probe(checks):
    """
    Nothing that the service does raises: it is what the probe is for.
    """
    probe = await checks.health("http://127.0.0.1:9", a_contract())
    broken = await checks.health("http://exa mple:99999", a_contract())

    assert not probe.ok
    assert probe.faults[0].startswith("no answer: ")
    assert not broken.ok


async def test_a_dropped_connection_fails_the_probe(checks):
    """
    A crashing version resets its connections.
    """
    async with serve(lambda *_: None) as server:
        probe = await checks.health(server.url, a_contract())

    assert not probe.ok


async def test_a_localhost_name_is_reached_on_loopback_with_its_own_host(checks):
    """
    The front door routes by Host, and not every resolver knows names below localhost.
    """
    async with serve(lambda *_: Reply(200, HEALTHY)) as server:
        probe = await checks.health(f"http://my-service.localhost:{server.port}", a_contract())

    assert probe.ok
    assert headers(server)["host"] == f"my-service.localhost:{server.port}"


async def test_the_override_header_asks_one_version(checks):
    """
    At 10 % only every tenth probe would reach the canary by chance.
    """
    overrides = 'my-service="dc8dcd28-271b-4367-9840-6c244f84cb40"'

    async with serve(lambda *_: Reply(200, HEALTHY)) as server:
        await checks.health(server.url, a_contract(), overrides=overrides)

    assert headers(server)["cloudflare-workers-version-overrides"] == overrides


async def test_no_cookie_pins_the_probes(checks):
    """
    A cookie that a version sets would bring every later probe back to that version.
    """
    async with serve(lambda *_: Reply(200, HEALTHY, headers={"Set-Cookie": "v=1; Path=/"})) as server:
        await checks.health(server.url, a_contract())
        await checks.health(server.url, a_contract())

    assert "cookie" not in headers(server)


async def test_the_version_header_names_a_service_that_does_not(checks):
    """
    A sick version may have no body at all; the platform's header still says which one it was.
    """
    async with serve(lambda *_: Reply(500, b"", headers={"X-Version-Id": "v-2"})) as server:
        probe = await checks.health(server.url, a_contract())

    assert probe.served_by == "v-2"


def headers(server: Loopback) -> dict[str, str]:
    return server.requests[-1][0]


async def test_a_load_test_counts_what_was_sent(checks, tmp_path):
    """
    The phase's checklist shows the numbers, and the judge needs to know whether to believe them.
    """
    mix(tmp_path)
    load = Load(rate=20, duration=timedelta(seconds=1), mix="mix.json")

    async with serve(lambda _, path, __: Reply(500 if path == "/bad" else 200, {})) as server:
        report = await checks.load(server.url, load)

    assert report["sent"] == len(server.calls) == 20
    assert report["failed"] == sum(path == "/bad" for _, path in server.calls) > 0
    assert report["error_rate"] == report["failed"] / 20
    assert 0 < report["p50"] <= report["p95"] <= report["p99"]
    assert isinstance(report["conclusive"], bool)
    assert report["reason"]


async def test_a_load_test_that_cannot_begin_proves_nothing(checks, tmp_path):
    """
    A generator that failed must neither pass nor fail a release.
    """
    mix(tmp_path, session={"path": "/session", "refresh_path": "/refresh"})
    load = Load(rate=20, duration=timedelta(seconds=1), mix="mix.json")

    async with serve(lambda *_: Reply(404, {})) as server:
        report = await checks.load(server.url, load)

    assert report["conclusive"] is False
    assert "404" in str(report["reason"])


async def test_a_missing_mix_is_named(checks):
    """
    A wrong path in a plan is the plan's fault, not the service's.
    """
    load = Load(rate=20, duration=timedelta(seconds=1), mix="nowhere.json")

    with pytest.raises(FixTheInput, match=r"nowhere\.json"):
        await checks.load("http://127.0.0.1:9", load)


def mix(project: Path, **more: object) -> None:
    requests = [{"method": "GET", "path": "/good"}, {"method": "GET", "path": "/bad"}]
    (project / "mix.json").write_text(json.dumps({"requests": requests, **more}))


@pytest.mark.parametrize(
    ("reply", "within", "ok", "fault"),
    [
        (Reply(201, {"id": 1}), "1s", True, ""),
        (Reply(200, {"id": 1}), "1s", False, "status 200, not 201"),
        (Reply(503, b"sorry"), "1s", False, "status 503, not 201"),
        (None, "1s", False, "no answer"),
    ],
)
async def test_a_synthetic_request_gets_the_answer_that_the_plan_asks_for_or_fails(
    checks, reply, within, ok, fault
):
    """
    It goes to the named version, says whose it is, and carries what the plan says.
    """
    request = SyntheticRequest(method="POST", path="/orders?dry=1", body='{"n": 1}', status=201)
    async with serve(lambda *_: reply) as server:
        probe = await checks.ask(
            server.url, request, within=parse_duration(within), overrides='rates="v2-id"'
        )

    headers, body = server.requests[0]
    assert (probe.ok, "; ".join(probe.faults).partition(":")[0]) == (ok, fault)
    assert server.calls[0] == ("POST", "/orders?dry=1")
    assert body == b'{"n": 1}'
    assert headers["cloudflare-workers-version-overrides"] == 'rates="v2-id"'
    assert headers["user-agent"] == USER_AGENT


async def test_a_synthetic_request_waits_no_longer_than_the_plan_says(checks):
    """
    A hanging version has failed; the keeper has other things to do.
    """
    request = SyntheticRequest(path="/")
    async with serve(lambda *_: Reply(200, {}, after=5)) as server:
        probe = await checks.ask(server.url, request, within=timedelta(milliseconds=50), overrides="")

    assert probe.faults == ("no answer within 50ms",)
    assert probe.status is None
