"""The client on a real socket: what is repeated, what is not, and where the token never shows."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import pytest
from loopback import Answer, Loopback, Reply, serve
from pydantic import SecretStr

from phasegate.adapters.cloudflare import CloudflareClient, rate_limit
from phasegate.adapters.cloudflare.envelope import Ambiguous, NotActed, Rejected
from phasegate.domain.errors import SettingsError, TargetAway
from phasegate.urgency import taking_back

TOKEN = "s3cr3t-T0ken_value"
GOOD = Reply(200, {"success": True, "errors": [], "result": {"id": "1"}})


def bad(status: int, code: int, message: str = "words of Cloudflare", **headers: str) -> Reply:
    errors = [{"code": code, "message": message}]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"success": False, "errors": errors, "result": None}, named)


@asynccontextmanager
async def talking(
    answer: Answer, *, timeout: float = 0.5, budget: float = 1.5
) -> AsyncIterator[tuple[CloudflareClient, Loopback]]:
    async with serve(answer) as server:
        client = CloudflareClient(server.url, "acct", SecretStr(TOKEN), timeout=timeout, budget=budget)
        try:
            yield client, server
        finally:
            await client.close()


def in_turn(*replies: Reply | None) -> Answer:
    left = list(replies)
    return lambda method, path, body: left.pop(0) if len(left) > 1 else left[0]


@pytest.mark.parametrize(
    "trouble",
    [
        None,
        Reply(500, b"<html>oops</html>"),
        bad(503, 10001),
        bad(429, 10429, retry_after="0"),
        bad(400, 10013),
        Reply(200, b"not JSON"),
        Reply(200, {"success": True, "result": {}}, after=2.0),
    ],
    ids=["dropped", "500", "503", "429", "10013", "malformed", "slow"],
)
async def test_a_reading_is_repeated_until_it_succeeds(trouble):
    """
    A hiccup of the API must not stop a release.
    """
    async with talking(in_turn(trouble, GOOD), budget=5) as (client, server):
        result = await client.read("x")

    assert result == {"id": "1"}
    assert server.calls == [("GET", "/accounts/acct/x")] * 2


async def test_giving_up_carries_the_last_answer():
    """
    Whoever is woken reads what the platform said, not that something was retried.
    """
    async with talking(in_turn(bad(503, 10001, "maintenance", cf_ray="8f-AMS"))) as (client, server):
        with pytest.raises(TargetAway, match=r"GET x: HTTP 503 maintenance \[code 10001\] \(cf-ray 8f-AMS\)"):
            await client.read("x")

    assert 2 <= len(server.calls) <= 8


async def test_retry_after_is_honoured_and_beyond_the_budget_ends_at_once():
    """
    Waiting longer than the caller can wait helps nobody.
    """
    started = monotonic()
    async with talking(in_turn(bad(429, 10429, retry_after="300")), budget=5) as (client, server):
        with pytest.raises(TargetAway, match="HTTP 429"):
            await client.read("x")

        with pytest.raises(TargetAway, match="the rate limit holds for 300 s more"):
            await client.read("y")

    assert len(server.calls) == 1
    assert monotonic() - started < 2


@pytest.mark.parametrize("status", [429, 503])
async def test_a_pause_of_nothing_is_still_a_pause(status):
    """
    Questions at the speed of the network use up what the token may ask for, and then take-backs wait too.
    """
    async with talking(in_turn(bad(status, 10429, retry_after="0"))) as (client, server):
        with pytest.raises(TargetAway, match=f"HTTP {status}"):
            await client.read("x")

    assert 2 <= len(server.calls) <= 8


@pytest.mark.parametrize(("said", "held"), [("86400", 300), ("inf", 300), ("-5", 0), ("nan", 0)])
async def test_a_pause_that_cannot_be_meant_is_bounded(said, held):
    """
    Nobody is kept from production for a day by one header.
    """
    async with talking(in_turn(bad(429, 10429, retry_after=said), GOOD)) as (client, _):
        with pytest.raises(NotActed) as refused:
            await client.write("POST", "x")

    assert (refused.value.after or 0) == held


async def test_a_take_back_asks_again_before_the_rate_limit_is_said_to_be_over(monkeypatch):
    """
    Users of a harmful version do not wait for five minutes on a header's word; nothing else asks meanwhile.
    """
    monkeypatch.setattr(rate_limit, "TAKE_BACK", 0.2)
    async with talking(in_turn(bad(429, 10429, retry_after="300"), GOOD)) as (client, server):
        with pytest.raises(NotActed, match="HTTP 429"):
            await client.write("POST", "x")
        with taking_back(), pytest.raises(NotActed, match="not sent"):
            await client.write("POST", "x")
        await asyncio.sleep(0.3)
        with pytest.raises(NotActed, match="not sent"):
            await client.write("POST", "x")
        with taking_back():
            await client.write("POST", "x")

    assert len(server.calls) == 2


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (None, Ambiguous),
        (bad(500, 10001), Ambiguous),
        (bad(400, 10013), Ambiguous),
        (Reply(200, b"{"), Ambiguous),
        (bad(429, 10429), NotActed),
        (Reply(403, b"<html>", {"cf-mitigated": "challenge"}), NotActed),
        (bad(400, 10220), Rejected),
        (Reply(200, {"success": False, "errors": [{"code": 10220}]}), Rejected),
    ],
)
async def test_a_write_is_sent_once_and_its_answer_named(trouble, error):
    """
    Only a reading may decide whether an unclear write is sent again.
    """
    async with talking(in_turn(trouble)) as (client, server):
        with pytest.raises(error):
            await client.write("POST", "x", json={})

    assert len(server.calls) == 1


async def test_a_server_that_is_not_there_did_not_act():
    """
    A refused connection carried nothing, so the write may be sent again.
    """
    async with serve(in_turn(GOOD)) as server:
        address = server.url
    client = CloudflareClient(address, "acct", SecretStr(TOKEN), timeout=1)

    with pytest.raises(NotActed, match="no connection"):
        await client.write("POST", "x", json={})
    await client.close()


@pytest.mark.parametrize(
    "refusal", [bad(401, 10000), bad(403, 10000), bad(400, 9106), bad(403, 9109, f"bad token {TOKEN}")]
)
async def test_a_refused_token_is_a_setting_to_correct(refusal, caplog, capsys):
    """
    Repeating it helps nothing; and the token is in no text, whoever echoes it.
    """
    caplog.set_level(logging.DEBUG)
    async with talking(in_turn(refusal)) as (client, server):
        with pytest.raises(SettingsError, match="refuses the token") as caught:
            await client.read("x")
        shown = (
            "".join(traceback.format_exception(caught.value, chain=True)) + repr(client) + repr(vars(client))
        )

    assert len(server.calls) == 1
    assert server.requests[0][0]["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in shown + caplog.text + "".join(capsys.readouterr())


async def test_the_client_names_itself():
    """
    Whoever reads Cloudflare's audit log sees what acted.
    """
    async with talking(in_turn(GOOD)) as (client, server):
        await client.read("x")

    assert server.requests[0][0]["user-agent"].startswith("phasegate/0.")


@pytest.mark.parametrize(
    ("address", "account", "token", "words"),
    [
        ("http://api.cloudflare.com/client/v4", "a", TOKEN, "https address, or http on this machine"),
        ("ftp://127.0.0.1", "a", TOKEN, "https address"),
        (f"https://user:{TOKEN}@example.com", "a", TOKEN, "without a user"),
        ("https://example.com", "a/b", TOKEN, "'a/b' is not an account id"),
        ("https://example.com", "", TOKEN, "is not an account id"),
        ("https://example.com", "a", "", "empty or has characters"),
        ("https://example.com", "a", f"{TOKEN}\n", "empty or has characters"),
        ("https://example.com", "a", f"{TOKEN}é", "empty or has characters"),
    ],
)
def test_an_address_account_or_token_that_cannot_be_right_is_refused_at_once(address, account, token, words):
    """
    A token sent in clear or quoted by a library is a token lost.
    """
    with pytest.raises(SettingsError, match=words) as caught:
        CloudflareClient(address, account, SecretStr(token), timeout=1)

    assert TOKEN not in str(caught.value)
