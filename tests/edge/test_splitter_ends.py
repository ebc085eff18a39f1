"""How requests end, well or not, and what is recorded of that."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import uvloop
from splitter_case import Case, a_case, until

from phasegate.edge.splitter import Limits


@pytest.fixture(
    scope="module",
    params=[asyncio.DefaultEventLoopPolicy(), uvloop.EventLoopPolicy()],
    ids=["asyncio", "uvloop"],
)
def event_loop_policy(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoopPolicy:
    policy: asyncio.AbstractEventLoopPolicy = request.param
    return policy


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Case]:
    async with a_case(tmp_path) as case:
        yield case


async def test_a_record_tells_what_happened(edge: Case):
    """
    The verdict rests on these records.
    """
    await edge.get("/slow?0.05")

    seen = await edge.last()

    assert (seen.script, seen.version_id, seen.method, seen.path) == ("rates", edge.stable, "GET", "/slow")
    assert (seen.status, seen.outcome) == (200, "ok")
    assert 49 <= seen.wall_ms < 2000


@pytest.mark.parametrize(
    ("path", "outcome"), [("/throw", "exception"), ("/silent", "exception"), ("/failing", "ok")]
)
async def test_a_throw_differs_from_an_answered_500(edge: Case, path: str, outcome: str):
    """
    Cloudflare counts the first as an error and the second as a success.
    """
    wire = await edge.wire()
    answer = await wire.get(path)
    again = await wire.get("/")

    assert (answer.status, again.status) == (500, 200)
    assert "x-edge-outcome" not in answer.headers
    assert edge.seen[0].outcome == outcome


async def test_a_throw_after_the_head_cuts_the_answer_short(edge: Case):
    """
    A client must not take half an answer for a whole one.
    """
    with pytest.raises((asyncio.IncompleteReadError, ValueError)):
        await edge.get("/late")

    assert (await edge.last()).outcome == "exception"


async def test_a_client_that_leaves_cancels_its_request(edge: Case):
    """
    Nobody waits for the answer, and the record says so.
    """
    wire = await edge.wire()
    await wire.send(b"GET /hang HTTP/1.1\r\nHost: rates.localhost\r\n\r\n")
    await until(lambda: edge.splitter.in_flight(edge.stable) == 1)

    wire.writer.transport.abort()

    seen = await edge.last()
    assert (seen.status, seen.outcome, seen.path) == (499, "canceled", "/hang")
    assert edge.splitter.in_flight(edge.stable) == 0


async def test_a_version_that_does_not_answer_is_given_up(tmp_path: Path):
    """
    Every wait has a limit and a stated end.
    """
    limits = Limits(answer=timedelta(milliseconds=300))
    async with a_case(tmp_path, count=1, limits=limits) as edge:
        answer = await edge.get("/hang")
        seen = await edge.last()

    assert answer.status == 504
    assert (seen.status, seen.outcome) == (504, "exceededResources")


async def test_silent_clients_are_let_go(tmp_path: Path):
    """
    With nothing asked, with half a head, and with half a body.
    """
    async with a_case(tmp_path, count=1, limits=Limits(idle=timedelta(milliseconds=300))) as edge:
        quiet, half_head, half_body = [await edge.wire() for _ in range(3)]
        await half_head.send(b"GET / HTT")
        await half_body.send(b"POST /size HTTP/1.1\r\nHost: rates.localhost\r\nContent-Length: 9\r\n\r\n1234")

        refused = await half_body.read()
        async with asyncio.timeout(5):
            rest = [await wire.reader.read() for wire in (quiet, half_head, half_body)]

        assert rest == [b"", b"", b""]
        assert refused.status == 408


async def test_a_version_that_dies_costs_its_request_and_comes_back(edge: Case):
    """
    As an isolate that is killed: the request fails, the next one finds a new process.
    """
    wire = await edge.wire()
    await wire.get()

    crashed = await wire.get("/crash")
    after = await wire.get()

    assert (crashed.status, after.status) == (500, 200)
    assert [seen.outcome for seen in edge.seen] == ["ok", "exception", "ok"]
    assert edge.runtime.exits(edge.stable) == 1


async def test_a_killed_process_is_replaced_unseen(edge: Case):
    """
    A request that no process has read may be asked again.
    """
    await edge.get()
    pid = edge.runtime.pid(edge.stable)
    assert pid is not None

    os.kill(pid, signal.SIGKILL)
    answer = await edge.get()

    assert answer.status == 200
    assert edge.runtime.pid(edge.stable) != pid


async def test_a_version_that_keeps_dying_is_held_back(edge: Case):
    """
    Requests fail at once meanwhile, instead of starting a process each.
    """
    for _ in range(3):
        await edge.get("/crash")

    outcomes = [(await edge.get()).status for _ in range(5)]
    await until(lambda: edge.runtime.exits(edge.stable) >= 2)

    assert 500 in outcomes
    assert await comes_back(edge)


async def test_closing_ends_every_connection(tmp_path: Path):
    """
    A request under way is recorded as canceled rather than forgotten.
    """
    async with a_case(tmp_path, count=1) as edge:
        wire = await edge.wire()
        await wire.send(b"GET /hang HTTP/1.1\r\nHost: rates.localhost\r\n\r\n")
        await until(lambda: edge.splitter.in_flight(edge.stable) == 1)

        await edge.splitter.close()

        assert [seen.outcome for seen in edge.seen] == ["canceled"]
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", edge.port)


async def comes_back(edge: Case) -> bool:
    """Whether the version answers again within about ten seconds."""
    for _ in range(200):
        if (await edge.get()).status == 200:
            return True
        await asyncio.sleep(0.05)
    return False
