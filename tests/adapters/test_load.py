"""The load generator against real servers on loopback."""

import asyncio
import time
from datetime import timedelta

import pytest
from aiohttp import web
from load_server import HELLO, a_free_port, a_plan, a_server, hello

from phasegate.adapters.load import Request, run_load
from phasegate.adapters.load_plan import LoadPlanError, LoadTargetAway


async def test_every_planned_request_is_sent_and_counted():
    """
    Rate times duration is the number of requests, neither more nor fewer.
    """
    async with a_server(hello) as url:
        report = await run_load(url, a_plan(rate=100, seconds=1.5))

    assert report.sent == report.completed == 150
    assert report.statuses == {"200": 150}
    assert report.failed == report.dropped == 0
    assert report.conclusive
    assert 1.4 < report.seconds < 5


async def test_a_stall_is_seen_by_all_whom_it_kept_waiting():
    """
    A closed loop would send one request into the stall; here everybody who came meanwhile waits.
    """
    stall = asyncio.Event()

    async def stalling(request):
        await stall.wait()
        return web.Response(text="late")

    async with a_server(stalling) as url:
        asyncio.get_running_loop().call_later(1.0, stall.set)
        report = await run_load(url, a_plan(rate=100, seconds=1.0))

    assert report.sent == 100
    # The stall may last longer than it was told to; the later they came, the less they waited.
    assert report.p99_ms > 850
    assert report.p50_ms == pytest.approx(report.p99_ms - 490, abs=150)
    assert report.p95_ms == pytest.approx(report.p99_ms - 40, abs=100)


async def test_versions_and_endpoints_are_counted_apart():
    """
    A canary is judged beside the stable version, and by endpoint.
    """
    seen = []

    async def split(request):
        seen.append(request.path)
        bad = request.path == "/bad"
        return web.Response(status=500 if bad else 200, headers={"X-Version": "v2" if bad else "v1"})

    mix = (HELLO, Request(method="GET", path="/bad?x=1", weight=0.5))
    async with a_server(split) as url:
        report = await run_load(url, a_plan(*mix, rate=200))

    by_version = {part.name: (part.failed, part.total) for part in report.versions}
    by_endpoint = {part.name: (part.failed, part.total) for part in report.endpoints}
    bad = seen.count("/bad")
    assert 0 < bad < 200
    assert by_version == {"v1": (0, 200 - bad), "v2": (bad, bad)}
    assert by_endpoint == {"GET /hello": (0, 200 - bad), "GET /bad": (bad, bad)}
    assert report.error_rate == bad / 200


async def test_an_unexpected_refusal_is_a_failure_and_an_expected_one_is_not():
    """
    A test whose every request is answered 401 must not pass with "no server errors".
    """

    async def refuse(request):
        return web.Response(status=404)

    mix = (Request(method="GET", path="/there"), Request(method="GET", path="/gone", expected=(404,)))
    async with a_server(refuse) as url:
        report = await run_load(url, a_plan(*mix))

    failed = {part.name: part.failed == part.total for part in report.endpoints}
    assert failed == {"GET /there": True, "GET /gone": False}


async def test_nobody_there_fails_every_request():
    """
    A service that is away is a result, not a crash, and has no latency to show.
    """
    report = await run_load(f"http://127.0.0.1:{a_free_port()}", a_plan())

    assert report.failed == report.sent == 50
    assert sum(report.errors.values()) == 50
    assert report.p95_ms is None


async def test_a_timeout_counts_with_the_time_it_took():
    """
    Left out, the slowest requests would make the P95 look good.
    """

    async def silent(request):
        await asyncio.sleep(5)

    async with a_server(silent) as url:
        report = await run_load(url, a_plan(rate=10, timeout=timedelta(seconds=0.5)))

    assert report.errors == {"Timeout": 10}
    assert report.p50_ms == pytest.approx(500, rel=0.2)


async def test_a_dropped_start_is_inconclusive():
    """
    A generator that could not send what it should proves nothing about the service.
    """

    async def slow(request):
        await asyncio.sleep(0.5)
        return web.Response()

    async with a_server(slow) as url:
        report = await run_load(url, a_plan(rate=100, max_in_flight=5))

    assert report.dropped > 50
    assert report.sent + report.dropped == 100
    assert not report.conclusive
    assert report.reason.startswith(f"{report.dropped} of 100 starts were dropped")


async def test_a_generator_that_lags_is_inconclusive():
    """
    More lag than 2 % of the limit would be counted against the service.
    """

    def hog(sample):
        time.sleep(0.4)

    async with a_server(hello) as url:
        report = await run_load(url, a_plan(seconds=2.2, threshold_ms=500), on_progress=hog)

    assert report.lag_p99_ms > 100
    assert not report.conclusive
    assert "the generator's own lag P99 was" in report.reason


async def test_a_steady_stream_ends_when_it_is_told():
    """
    The demo's stream has no end of its own, and stopping it says nothing against it.
    """
    stop, samples = asyncio.Event(), []

    def watch(sample):
        samples.append(sample)
        stop.set()

    async with a_server(hello) as url:
        plan = a_plan(rate=2.0, seconds=None)
        report = await asyncio.wait_for(run_load(url, plan, on_progress=watch, stop=stop), 5)

    assert samples[0].versions == {"v1": (0, samples[0].completed)}
    assert report.conclusive
    assert report.sent <= 4


async def test_a_test_that_was_stopped_early_is_inconclusive():
    """
    Half of a load test is not a load test.
    """
    stop = asyncio.Event()

    async with a_server(hello) as url:
        asyncio.get_running_loop().call_later(0.3, stop.set)
        report = await run_load(url, a_plan(seconds=30), stop=stop)

    assert not report.conclusive
    assert report.reason == "it was stopped before its end"


async def test_a_name_under_localhost_is_loopback_and_keeps_its_host():
    """
    The edge tells services apart by the Host header.
    """
    hosts = set()

    async def note(request):
        hosts.add(request.host)
        return web.Response()

    async with a_server(note) as url:
        port = url.rpartition(":")[2]
        report = await run_load(f"http://api.localhost:{port}", a_plan(seconds=0.2))

    assert report.failed == 0
    assert hosts == {f"api.localhost:{port}"}


async def test_slots_bound_what_is_written():
    """
    A day of traffic must not fill the table.
    """
    bodies, headers = set(), set()

    async def note(request):
        bodies.add((request.path, (await request.json())["id"]))
        headers.add((request.content_type, request.headers["X-Extra"]))
        return web.Response()

    mix = (Request(method="PUT", path="/rows/{slot}", body={"id": "row-{slot}"}, slots=3),)
    async with a_server(note) as url:
        await run_load(url, a_plan(*mix, rate=100, headers=(("X-Extra", "1"),)))

    assert bodies == {(f"/rows/{slot}", f"row-{slot}") for slot in range(3)}
    assert headers == {("application/json", "1")}


async def test_setup_comes_first_and_its_failure_is_said():
    """
    Reads of things that nobody created would fail by the generator's own fault.
    """
    calls = []

    async def note(request):
        calls.append(request.path)
        return web.Response(status=500 if request.path == "/broken" else 200)

    ready = Request(method="POST", path="/rows/{slot}", body={}, slots=2)
    broken = Request(method="POST", path="/broken")
    async with a_server(note) as url:
        await run_load(url, a_plan(setup=(ready,), seconds=0.1))
        with pytest.raises(LoadTargetAway, match=r"setup: POST http.*/broken answered 500"):
            await run_load(url, a_plan(setup=(broken,)))

    assert calls[:2] == ["/rows/0", "/rows/1"]


async def test_a_setup_request_that_fails_once_is_sent_again():
    """
    Traffic must be able to start beside a canary that fails now and then.
    """
    calls = []

    async def shaky(request):
        calls.append(request.path)
        return web.Response(status=500 if len(calls) == 1 else 200)

    async with a_server(shaky) as url:
        await run_load(url, a_plan(setup=(Request(method="POST", path="/row"),), seconds=0.1))

    assert calls[:2] == ["/row", "/row"]


async def test_an_address_that_is_none_is_refused():
    """
    A typo must not become a failed release.
    """
    with pytest.raises(LoadPlanError, match="not an http"):
        await run_load("localhost:8000", a_plan())
