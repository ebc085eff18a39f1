"""What happens to a Worker, watched live as ``wrangler tail`` does."""

import asyncio
import json

import httpx
import pytest
from edge_caller import DEMO
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

TAILS = f"{DEMO}/tails"


async def open_tail(api, *filters):
    """Make a tail; its REST answer."""
    return await api.call("POST", TAILS, json={"filters": list(filters)})


def watching(tail):
    """The WebSocket of a tail."""
    return connect(tail["url"], subprotocols=["trace-v1"])


async def shown(socket, count):
    """The next events."""
    async with asyncio.timeout(20):
        return [json.loads(await socket.recv()) for _ in range(count)]


async def test_a_tail_shows_each_invocation_with_its_version(api):
    """
    The shape is the one that wrangler prints.
    """
    version = await api.create()
    tail = await open_tail(api)

    async with watching(tail) as socket:
        await socket.send('{"debug":false}')
        await api.visit("/", "/bad", "/throw")
        events = await shown(socket, 3)

    assert socket.subprotocol == "trace-v1"
    assert [event["outcome"] for event in events] == ["ok", "ok", "exception"]
    assert [event["event"]["response"]["status"] for event in events] == [200, 500, 500]
    assert {event["scriptVersion"]["id"] for event in events} == {version}
    assert events[1]["event"]["request"]["url"].endswith("/bad")
    assert events[1]["event"]["request"]["method"] == "GET"


async def test_a_first_message_without_a_mask_is_borne(api):
    """
    wrangler sends one, which RFC 6455 forbids; Cloudflare goes on all the same.
    """
    await api.create()
    url = httpx.URL((await open_tail(api))["url"])
    reader, writer = await asyncio.open_connection(url.host, url.port)
    handshake = {"Host": url.host, "Upgrade": "websocket", "Connection": "Upgrade"} | {
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "trace-v1",
    }
    lines = [f"GET {url.path} HTTP/1.1", *(f"{name}: {value}" for name, value in handshake.items())]

    async with asyncio.timeout(20):
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b'\x81\x0f{"debug":false}')
        await api.visit("/")
        frame = await reader.readuntil(b"}}}")
    writer.close()

    assert head.startswith(b"HTTP/1.1 101 ")
    assert frame[:1] == b"\x82", "events are binary messages"
    assert b'"outcome":"ok"' in frame


async def test_filters_leave_out_what_was_not_asked_for(api):
    """
    By outcome, method and version; sampling keeps one of several.
    """
    first = await api.create()
    second = await api.upload()
    await api.split((first, 0), (second, 100))
    failures = await open_tail(api, {"outcome": ["exception"]}, {"method": ["GET"]})
    half = await open_tail(api, {"sampling_rate": 0.5}, {"scriptVersion": second})
    nothing = await open_tail(api, {"scriptVersion": first})

    async with watching(failures) as bad, watching(half) as every, watching(nothing) as silent:
        await api.visit("/", "/throw", "/", "/")
        (failed,) = await shown(bad, 1)
        kept = await shown(every, 2)
        await api.call("DELETE", f"{TAILS}/{nothing['id']}")
        with pytest.raises(ConnectionClosed):
            await silent.recv()

    assert failed["event"]["request"]["url"].endswith("/throw")
    assert len(kept) == 2


async def test_what_the_edge_does_not_see_is_not_filtered_by(api):
    """
    Showing nothing would look as if nothing happened.
    """
    await api.create()

    status, _ = await api.refusal("POST", TAILS, json={"filters": [{"client_ip": ["self"]}]})

    assert status == 400
    assert await api.refusal("POST", TAILS.replace("demo", "nobody"), json={"filters": []}) == (404, 10007)
    assert (await api.refusal("DELETE", f"{TAILS}/none"))[0] == 404


async def test_a_tail_is_watched_by_its_own_address_only(api):
    """
    The address is the proof; a guess opens nothing, and neither does one whose viewer has gone.
    """
    await api.create()
    tail = await open_tail(api)
    other = {"url": tail["url"].rpartition("/")[0] + "/guess"}

    async with watching(tail):
        pass

    for each in (other, tail):
        with pytest.raises(InvalidStatus):
            async with watching(each):
                pass


async def test_of_too_many_viewers_the_oldest_gives_way(api):
    """
    A Worker has at most ten, as on Cloudflare.
    """
    await api.create()
    tails = [await open_tail(api)]

    async with watching(tails[0]) as socket:
        for _ in range(10):
            await open_tail(api)
        with pytest.raises(ConnectionClosed):
            await socket.recv()
