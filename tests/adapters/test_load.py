"""The load generator against real servers on loopback."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from phasegate.adapters.load import LoadPlan, Request, run_load
from phasegate.adapters.load_plan import LoadPlanError, LoadTargetAway, SessionPlan, plan_from_file, read_mix

HELLO = Request(method="GET", path="/hello")
TRAFFIC = Path(__file__).resolve().parents[2] / "examples" / "spring-rate-api" / "traffic.json"
SESSION = SessionPlan(path="/sessions", refresh_path="/refresh")


def a_plan(*mix, rate=50.0, seconds=1.0, threshold_ms=60_000, **more):
    """A short plan; its generous threshold keeps a busy test machine from making it inconclusive."""
    duration = None if seconds is None else timedelta(seconds=seconds)
    threshold = timedelta(milliseconds=threshold_ms)
    return LoadPlan(rate=rate, duration=duration, mix=mix or (HELLO,), threshold=threshold, **more)


@asynccontextmanager
async def a_server(handler):
    """Serve every path by one handler; yields the base URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def hello(request):
    return web.Response(text="hello", headers={"X-Version": "v1"})


def a_free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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
    assert report.p50_ms == pytest.approx(500, rel=0.3)
    assert report.p95_ms > 850


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


class Accounts:
    """A service with sessions of a given life; remembers which tokens were used."""

    def __init__(self, life):
        self.life = life
        self.opened = 0
        self.refreshed = 0
        self.valid = ""
        self.used = []

    async def handle(self, request):
        if request.path in ("/sessions", "/refresh"):
            self.opened += request.path == "/sessions"
            self.refreshed += request.path == "/refresh"
            return self._session()
        given = request.headers.get("Authorization")
        self.used.append(given)
        return web.Response(status=200 if given == self.valid else 401)

    def _session(self):
        token = f"t{self.opened}.{self.refreshed}"
        self.valid = f"Bearer {token}"
        expires = datetime.now(UTC) + timedelta(seconds=self.life)
        return web.json_response({"token": token, "refreshToken": "r", "expiresAt": expires.isoformat()})


MINE = Request(method="GET", path="/mine", needs_session=True)


async def test_a_token_is_renewed_before_it_expires():
    """
    A stream that outlives its token must not see a single 401.
    """
    accounts = Accounts(life=2.0)

    async with a_server(accounts.handle) as url:
        report = await run_load(url, a_plan(MINE, HELLO, rate=20, seconds=2.5, session=SESSION))

    assert accounts.opened == 1
    assert accounts.refreshed >= 1
    assert set(accounts.used) >= {None, "Bearer t1.0", "Bearer t1.1"}
    assert {part.failed for part in report.endpoints if part.name == "GET /mine"} <= {0, 1}


async def test_a_refused_token_is_renewed_at_once():
    """
    A service that forgot its sessions is asked for a new one, and the stream goes on.
    """
    accounts = Accounts(life=3600.0)

    async with a_server(accounts.handle) as url:
        asyncio.get_running_loop().call_later(0.3, setattr, accounts, "valid", "nothing")
        report = await run_load(url, a_plan(MINE, rate=20, seconds=2, session=SESSION))

    assert accounts.refreshed >= 1
    assert accounts.used[-1] == accounts.valid
    assert 0 < report.statuses["401"] < 30


async def test_no_session_is_an_error_that_says_where():
    """
    Without a session nothing can be measured, which is not the same as failing.
    """
    plan = a_plan(MINE, session=SESSION)

    with pytest.raises(
        LoadTargetAway, match=r"no session from POST http://127.0.0.1:\d+/sessions in 5 tries"
    ):
        await run_load(f"http://127.0.0.1:{a_free_port()}", plan)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"rate": 0.0}, "rate is above 0"),
        ({"rate": float("nan")}, "rate is above 0"),
        ({"seconds": 0}, "duration is at most"),
        ({"max_in_flight": 0}, "max_in_flight is from 1"),
        ({"timeout": timedelta(0)}, "timeout is at most"),
        ({"mix": ()}, "mix: requests"),
        ({"mix": (MINE,)}, "needs a session"),
    ],
)
def test_an_impossible_plan_is_refused(change, rule):
    """
    Before anything is sent, with the rule in the message.
    """
    duration = timedelta(seconds=change.pop("seconds", 1))

    with pytest.raises(LoadPlanError, match=rule):
        LoadPlan(**{"rate": 1.0, "duration": duration, "mix": (HELLO,)} | change)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not JSON"),
        ('{"requests": []}', "requests: "),
        ('{"requests": [{"method": "GET", "path": "hello"}]}', r"requests\.0\.path: "),
        ('{"requests": [{"method": "BREW", "path": "/"}]}', r"requests\.0\.method: "),
        ('{"requests": [{"method": "GET", "path": "/", "wieght": 1}]}', r"requests\.0\.wieght: "),
        ('{"requests": [{"method": "GET", "path": "/", "weight": 0}]}', "weight above 0"),
    ],
)
def test_a_wrong_mix_file_is_refused(tmp_path, text, reason):
    """
    The message names the file and the field.
    """
    file = tmp_path / "mix.json"
    file.write_text(text)

    with pytest.raises(LoadPlanError, match=rf"mix\.json: .*{reason}"):
        read_mix(file)


def test_the_sample_service_has_a_mix():
    """
    The file in the examples is one the generator reads.
    """
    plan = plan_from_file(
        TRAFFIC, rate=100, duration=timedelta(minutes=5), threshold=timedelta(milliseconds=500), headers={}
    )

    assert len({request.endpoint for request in plan.mix}) == 10
    assert plan.starts == 30_000


async def test_an_address_that_is_none_is_refused():
    """
    A typo must not become a failed release.
    """
    with pytest.raises(LoadPlanError, match="not an http"):
        await run_load("localhost:8000", a_plan())


async def test_the_program_ends_on_sigterm_and_prints_its_report(tmp_path):
    """
    The demo runs it as a process beside the release and reads its progress from a file.
    """
    mix, progress = tmp_path / "mix.json", tmp_path / "progress.jsonl"
    mix.write_text('{"requests": [{"method": "GET", "path": "/hello"}]}')

    async with a_server(hello) as url:
        command = [sys.executable, "-m", "phasegate.adapters.load", "--url", url, "--rate", "50"]
        files = ["--mix", str(mix), "--progress-file", str(progress)]
        process = await asyncio.create_subprocess_exec(*command, *files, stdout=subprocess.PIPE)
        try:
            await until(lambda: progress.exists() and progress.read_text().count("\n") >= 2)
            process.send_signal(signal.SIGTERM)
            out, _ = await asyncio.wait_for(process.communicate(), 10)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    report = json.loads(out)
    samples = [json.loads(line) for line in progress.read_text().splitlines()]
    assert process.returncode == 0
    assert report["failed"] == 0
    assert report["sent"] >= samples[-1]["sent"] > samples[0]["sent"] > 0
    assert set(samples[0]["versions"]) == {"v1"}


async def until(condition, limit=20.0):
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["--url", "nowhere", "--rate", "1"], 2, "not an http"),
        (["--url", "http://127.0.0.1:9", "--rate", "-1"], 2, "rate is above 0"),
        (["--url", "http://127.0.0.1:9", "--rate", "1", "--header", "x"], 2, "--header takes"),
        (["--url", "http://127.0.0.1:9", "--rate", "1"], 3, "no session from"),
    ],
)
def test_the_program_says_what_is_wrong(arguments, code, reason):
    """
    Bad input and a service that is away have exit codes of their own.
    """
    command = [sys.executable, "-m", "phasegate.adapters.load", "--mix", str(TRAFFIC), *arguments]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == code
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
