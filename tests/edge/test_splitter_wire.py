"""HTTP through the front door, byte by byte."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import uvloop
from splitter_case import Case, a_case, as_json

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(
    scope="module",
    params=[asyncio.DefaultEventLoopPolicy(), uvloop.EventLoopPolicy()],
    ids=["asyncio", "uvloop"],
)
def event_loop_policy(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoopPolicy:
    policy: asyncio.AbstractEventLoopPolicy = request.param
    return policy


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("edge")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(workdir: Path) -> AsyncIterator[Case]:
    async with a_case(workdir) as case:
        yield case


@pytest_asyncio.fixture(loop_scope="module")
async def edge(shared: Case) -> Case:
    shared.reset()
    return shared


async def test_headers_of_the_hop_stay_on_the_hop(edge: Case):
    """
    The version sees the client's address and nothing of our connection.
    """
    wire = await edge.wire()
    answer = await wire.get(
        "/head?q=1",
        Connection="x-mine, Host",
        x_mine="1",
        TE="trailers",
        CF_Connecting_IP="6.6.6.6",
        x_kept="2",
    )

    seen = as_json(answer)
    assert (seen["path"], seen["query"], seen["host"]) == ("/head", "q=1", "rates.localhost")
    assert (seen["cf-connecting-ip"], seen["x-forwarded-proto"]) == ("127.0.0.1", "http")
    assert seen["cf-ray"] == answer.headers["cf-ray"]
    assert seen["x-kept"] == "2"
    assert not {"x-mine", "te", "connection"} & seen.keys()
    assert "x-private" not in answer.headers


async def test_an_absolute_target_names_the_host(edge: Case):
    """
    RFC 9112 section 3.2.2.
    """
    wire = await edge.wire()
    await wire.send(b"GET http://rates.localhost/head?a HTTP/1.1\r\nHost: other.localhost\r\n\r\n")

    seen = as_json(await wire.read())

    assert (seen["path"], seen["query"]) == ("/head", "a")


async def test_five_megabytes_stream_both_ways(edge: Case):
    """
    Nothing is held back until it is complete, and nothing is lost.
    """
    data = bytes(range(256)) * (5 * 4096)
    wire = await edge.wire()
    head = f"POST /echo HTTP/1.1\r\nHost: rates.localhost\r\nContent-Length: {len(data)}\r\n\r\n"

    _, answer = await asyncio.gather(wire.send(head.encode() + data), wire.read())
    big = await wire.get("/big")

    assert answer.body == data
    assert len(big.body) == 5 * 1024 * 1024


async def test_a_slow_reader_holds_the_version_back(edge: Case):
    """
    Otherwise one slow client would fill the edge's memory.
    """
    wire = await edge.wire()
    await wire.send(b"GET /big HTTP/1.1\r\nHost: rates.localhost\r\n\r\n" * 4)
    await asyncio.sleep(0.5)
    held = sum(client.transport.get_write_buffer_size() for client in edge.splitter._clients)

    answers = [await wire.read() for _ in range(4)]

    assert held < 2 * 1024 * 1024
    assert [len(answer.body) for answer in answers] == [5 * 1024 * 1024] * 4


async def test_a_chunked_request_arrives_whole(edge: Case):
    """
    Pieces may be cut anywhere, and trailers end with the hop.
    """
    wire = await edge.wire()
    await wire.send(
        b"POST /size HTTP/1.1\r\nHost: rates.localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"
    )
    await asyncio.sleep(0.05)
    await wire.send(
        b"lo\r\n" + b"".join(b"10000\r\n%b\r\n" % (b"x" * 65536) for _ in range(10)) + b"0\r\nA: b\r\n\r\n"
    )

    first = await wire.read()
    second = await wire.get()

    assert first.body == str(5 + 655360).encode()
    assert second.status == 200


async def test_a_client_that_expects_a_continue_gets_one(edge: Case):
    """
    curl waits a second for it before it sends a large body.
    """
    wire = await edge.wire()
    await wire.send(
        b"POST /size HTTP/1.1\r\nHost: rates.localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    )
    invited = await wire.read()
    await wire.send(b"abc")

    assert invited.status == 100
    assert (await wire.read()).body == b"3"


async def test_head_and_no_content_have_no_body(edge: Case):
    """
    The next answer on the connection must not be taken for theirs.
    """
    wire = await edge.wire()

    head = await wire.get("/big", method="HEAD")
    empty = await wire.get("/empty")
    following = await wire.get("/")

    assert (head.status, head.headers["content-length"]) == (200, str(5 * 1024 * 1024))
    assert (empty.status, empty.body) == (204, b"")
    assert following.body.decode() == edge.stable


async def test_an_old_client_gets_an_answer_that_ends_with_the_connection(edge: Case):
    """
    HTTP/1.0 knows no chunks.
    """
    wire = await edge.wire()
    await wire.send(b"POST /echo HTTP/1.0\r\nHost: rates.localhost\r\nContent-Length: 2\r\n\r\nhi")

    answer = await wire.read()

    assert (answer.headers["connection"], answer.body) == ("close", b"hi")
    assert "transfer-encoding" not in answer.headers


async def test_requests_sent_ahead_are_answered_in_order(edge: Case):
    """
    Even when the first is slow and the last is unknown.
    """
    wire = await edge.wire()
    ask = "GET {} HTTP/1.1\r\nHost: {}.localhost\r\n\r\n".format
    sent = (
        ask("/slow?0.2", "rates") + ask("/failing", "rates") + ask("/", "prices") * 3000 + ask("/", "rates")
    )
    await wire.send(sent.encode())

    statuses = [(await wire.read()).status for _ in range(3003)]

    assert statuses == [200, 500, *[404] * 3000, 200]


async def test_an_early_answer_does_not_break_the_connection(edge: Case):
    """
    A version may refuse a body it has not read.
    """
    wire = await edge.wire()
    await wire.send(b"POST /early HTTP/1.1\r\nHost: rates.localhost\r\nContent-Length: 300000\r\n\r\n")
    early = await wire.read()
    await wire.send(b"x" * 300000)

    assert (early.status, early.body) == (413, b"too much")
    assert (await wire.get()).status == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"HELLO\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET rates HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"POST /size HTTP/1.1\r\nHost: rates.localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 501),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 500000, 431),
    ],
)
async def test_what_is_not_served_is_refused_and_the_connection_closed(edge: Case, sent: bytes, status: int):
    """
    Each with the status that says why.
    """
    wire = await edge.wire()
    await wire.send(sent)

    answer = await wire.read()

    assert answer.status == status
    assert answer.headers["connection"] == "close"
    assert await asyncio.wait_for(wire.reader.read(), 5) == b""
    assert (await edge.get()).status == 200
