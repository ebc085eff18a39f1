"""What the front door promises, over real connections to real processes."""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from splitter_case import Case, Wire, a_case, as_json, until

from phasegate.edge.splitter import Limits, SplitMode


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Case]:
    async with a_case(tmp_path) as case:
        yield case


async def count(wire: Wire, requests: int) -> Counter[str]:
    """Which version answered how often."""
    return Counter([(await wire.get()).body.decode() for _ in range(requests)])


@pytest.mark.parametrize(("canary", "expected"), [(0, 0), (10, 100), (50, 500), (100, 1000)])
async def test_a_split_is_exact(edge: Case, canary: float, expected: int):
    """
    A phase of 10 % must not be 8 % on one day and 13 % on another.
    """
    edge.route(canary)

    answered = await count(await edge.wire(), 1000)

    assert answered[edge.canary] == expected
    assert answered[edge.stable] == 1000 - expected


async def test_no_request_is_lost_while_weights_change(edge: Case):
    """
    A change of the split is an everyday act, not an outage.
    """
    stop = asyncio.Event()
    statuses: Counter[int] = Counter()

    async def load(requests: int) -> None:
        wire = await edge.wire()
        for _ in range(requests):
            statuses[(await wire.get()).status] += 1

    async def change() -> None:
        for step in range(20):
            edge.route(step * 5)
            await until(lambda seen=len(edge.seen): len(edge.seen) >= seen + 100 or stop.is_set())

    changing = asyncio.create_task(change())
    await asyncio.gather(*(load(300) for _ in range(10)))
    stop.set()
    await changing

    assert statuses == {200: 3000}
    assert {seen.outcome for seen in edge.seen} == {"ok"}
    assert len(edge.seen) == 3000


async def test_a_request_in_flight_finishes_where_it_began(edge: Case):
    """
    Draining tells when the old version may be stopped.
    """
    wire = await edge.wire()
    asking = asyncio.create_task(wire.get("/slow?0.3"))
    await until(lambda: edge.splitter.in_flight(edge.stable) == 1)

    edge.route(100)
    too_short = await edge.splitter.drain(edge.stable, timedelta(milliseconds=20))
    drained = await edge.splitter.drain(edge.stable, timedelta(seconds=5))

    assert not too_short
    assert drained
    assert edge.splitter.in_flight(edge.stable) == 0
    assert (await asking).body.decode() == edge.stable


async def test_an_override_reaches_a_version_at_zero_percent(edge: Case):
    """
    A canary is checked by name before anyone else gets it.
    """
    edge.route(0)
    named = {"Cloudflare_Workers_Version_Overrides": f'rates="{edge.canary}"'}

    answer = await edge.get(**named)

    assert answer.body.decode() == edge.canary
    assert answer.headers["x-tag"] == "v2"


async def test_an_override_outside_the_deployment_is_ignored(edge: Case):
    """
    As on Cloudflare: a caller must look at who answered.
    """
    named = {"Cloudflare_Workers_Version_Overrides": f'rates="{edge.canary}"'}

    answer = await edge.get(**named)

    assert answer.body.decode() == edge.stable


async def test_a_key_stays_on_the_canary_while_it_grows(edge: Case):
    """
    A user who has seen the new version does not fall back to the old one.
    """
    wire = await edge.wire()

    async def on_canary(percentage: float) -> set[int]:
        edge.route(percentage)
        key = "Cloudflare_Workers_Version_Key"
        asked = [(user, await wire.get(**{key: f"user-{user}"})) for user in range(200)]
        return {user for user, answer in asked if answer.body.decode() == edge.canary}

    few, half, everyone = [await on_canary(percentage) for percentage in (10, 50, 100)]

    assert 5 <= len(few) <= 40
    assert few < half < everyone
    assert len(everyone) == 200


async def test_a_sticky_edge_keeps_a_client_where_it_is(tmp_path: Path):
    """
    Without keys the address stands in, so one client never sees both versions.
    """
    async with a_case(tmp_path, mode=SplitMode.STICKY) as edge:
        edge.route(50)

        answered = await count(await edge.wire(), 50)

    assert len(answered) == 1


async def test_a_preview_host_names_its_version_and_is_not_recorded(edge: Case):
    """
    Previews leave no trace in telemetry, as on Cloudflare, so nobody may build a gate on them.
    """
    answer = await edge.get(host=f"{edge.canary[:8]}-rates.acme.workers.dev")

    assert answer.body.decode() == edge.canary
    assert edge.seen == []


async def test_an_unknown_worker_is_answered_with_those_there_are(edge: Case):
    """
    A typo in a host should explain itself.
    """
    answer = await edge.get(host="prices.localhost")
    bare = await edge.get(host="127.0.0.1")
    edge.splitter.default_worker = "rates"
    default = await edge.get(host=f"127.0.0.1:{edge.port}")

    assert (answer.status, as_json(answer)["workers"]) == (404, ["rates"])
    assert bare.status == 404
    assert default.body.decode() == edge.stable


async def test_a_lagging_split_changes_later(edge: Case):
    """
    A network hears of a change after a while; a gate must look at what is observed.
    """
    edge.splitter.lag("rates", 0.3)
    edge.route(100)

    before = await edge.get()
    await until(lambda: edge.splitter.split("rates")[0] == (edge.canary, 100))
    after = await edge.get()

    assert before.body.decode() == edge.stable
    assert after.body.decode() == edge.canary


async def test_a_record_tells_what_happened(edge: Case):
    """
    The verdict rests on these records.
    """
    await edge.get("/slow?0.05")

    seen = await edge.last()

    assert (seen.script, seen.version_id, seen.method, seen.path) == ("rates", edge.stable, "GET", "/slow")
    assert (seen.status, seen.outcome) == (200, "ok")
    assert 50 <= seen.wall_ms < 2000


@pytest.mark.parametrize(("path", "outcome"), [("/throw", "exception"), ("/silent", "exception"), ("/failing", "ok")])
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


async def test_headers_of_the_hop_stay_on_the_hop(edge: Case):
    """
    The version sees the client's address and nothing of our connection.
    """
    wire = await edge.wire()
    answer = await wire.get(
        "/head?q=1", Connection="x-mine, Host", x_mine="1", TE="trailers", CF_Connecting_IP="6.6.6.6", x_kept="2"
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
    await wire.send(b"POST /size HTTP/1.1\r\nHost: rates.localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")
    await asyncio.sleep(0.05)
    await wire.send(b"lo\r\n" + b"".join(b"10000\r\n%b\r\n" % (b"x" * 65536) for _ in range(10)) + b"0\r\nA: b\r\n\r\n")

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
    sent = ask("/slow?0.2", "rates") + ask("/failing", "rates") + ask("/", "prices") * 3000 + ask("/", "rates")
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


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"HELLO\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET rates HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
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
    Path(f"/proc/{pid}/stat").read_text()

    import os  # noqa: PLC0415

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
    async with asyncio.timeout(10):
        while (await edge.get()).status != 200:
            await asyncio.sleep(0.05)


async def test_shares_that_do_not_add_up_are_refused(edge: Case):
    """
    Traffic would vanish.
    """
    with pytest.raises(ValueError, match="add up to 100"):
        edge.splitter.route("rates", ((edge.stable, 60.0), (edge.canary, 30.0)))

    assert edge.splitter.split("rates") == ((edge.stable, 100.0),)


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
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", edge.port)


def test_the_listing_of_workers_is_json():
    """
    Even when a host holds quotes.
    """
    assert json.loads(json.dumps({"error": 'no Worker answers at \'a"b\''}))
