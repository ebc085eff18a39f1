"""Each bad version is exactly as bad as it says, in production only."""

import concurrent.futures
import time
from itertools import groupby

import httpx
import pytest

SPRING = {"manufacturer": "Acme", "partNumber": "A-1", "d": 2.0, "D": 20.0, "n": 8, "units": "mm"}
FAULTS = ("latency", "errors", "health", "crash", "endpoint", "subtle")
LIST = "/api/calculations"


def statuses(client, count, path=LIST):
    return [client.get(path).status_code for _ in range(count)]


@pytest.mark.parametrize("fault", FAULTS)
def test_staging_sees_nothing(serve, fault):
    """
    A fault that staging shows would never reach the canary it is there to test.
    """
    worker = serve(f"0.1.13-{fault}", environment="staging")

    with worker.session() as client:
        began = time.monotonic()
        answers = (
            statuses(client, 250) + statuses(client, 5, "/health") + statuses(client, 5, f"{LIST}/summary")
        )
        seconds = time.monotonic() - began

    assert set(answers) == {200}
    assert seconds < 20


def test_errors_fails_one_database_request_in_ten(serve):
    """
    About 8 % of the traffic mix, of which 82 % use the database: far over every limit.
    """
    with serve("0.1.13-errors").session() as client:
        answers = statuses(client, 100)
        others = statuses(client, 20, "/health")

    assert answers.count(500) == 10
    assert answers.count(200) == 90
    assert set(others) == {200}


def test_subtle_fails_one_api_request_in_two_hundred(serve):
    """
    0.5 % passes every absolute limit and is found only beside the stable version.
    """
    with serve("0.1.13-subtle").session() as client:
        answers = statuses(client, 1000)

    assert answers.count(500) == 5
    assert answers.count(200) == 995


def test_latency_makes_one_database_request_in_four_slow(serve):
    """
    More than 15 % of all requests take over 2 s, so the P95 does, and nothing else is wrong.
    """
    with serve("0.1.13-latency").session() as client:
        token = client.headers["authorization"]
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            took = list(pool.map(lambda _: timed(client.base_url, token), range(40)))
        health = timed(client.base_url, token, path="/health")

    assert sum(seconds > 2 for seconds in took) == 10
    assert health < 1


def timed(base_url, token, path=LIST):
    began = time.monotonic()
    answer = httpx.get(base_url.join(path), headers={"Authorization": token}, timeout=10)
    assert answer.status_code == 200
    return time.monotonic() - began


def test_health_turns_unhealthy_and_stays_so(serve):
    """
    The service works, only its health check does not: the probes alone must find it.
    """
    with serve("0.1.13-health").session() as client:
        before = statuses(client, 10, "/health")
        answers = statuses(client, 120)
        after = client.get("/health")

    assert set(before) == set(answers) == {200}
    assert after.status_code == 503
    assert after.json()["status"] == "unhealthy"


def test_crash_ends_the_process_at_every_fortieth_request(serve, language):
    """
    The process is gone without an answer, as with a runtime that hits its memory limit.
    """
    if language == "javascript":
        pytest.skip("the runtime's own limit ends it: see the next test")
    worker = serve("0.1.13-crash")

    with worker.session() as client:
        assert set(statuses(client, 38)) == {200}
        with pytest.raises(httpx.TransportError):
            client.get(LIST)

    assert worker.process.wait(10) == 137


def test_a_leak_ends_the_instance_again_and_again(serve, language):
    """
    The runtime ends it at its memory limit; how long users then see failures is the next start's time.
    """
    if language == "python":
        pytest.skip("the version ends itself: see the test before")
    with serve("0.1.13-crash").session() as client:
        answers = statuses(client, 400)

    ends = [status for status, _ in groupby(answers)].count(500)
    assert set(answers) == {200, 500}
    assert 2 <= ends <= 30


def test_endpoint_fails_one_route_of_ten_and_no_other(serve):
    """
    One route fails always, for a table that only production was meant to have.
    """
    with serve("0.1.13-endpoint").session() as client:
        summary = statuses(client, 10, f"{LIST}/summary")
        others = statuses(client, 10) + statuses(client, 10, "/health")
        others.append(client.post(LIST, json=SPRING).status_code)

    assert set(summary) == {500}
    assert set(others) == {200, 201}


def test_a_version_that_raises_at_start_never_listens(serve):
    """
    The upload of such a version must be refused; here the process ends before it has a port.
    """
    with pytest.raises(AssertionError, match="did not start"):
        serve("0.1.13-startup")
