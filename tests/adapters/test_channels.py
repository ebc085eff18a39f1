"""Telling people, over real HTTP and into real files."""

import io
import json
import logging
from datetime import timedelta
from typing import Any

import httpx
import pytest
from loopback import Loopback, Reply, serve
from pydantic import SecretStr

from phasegate.adapters.channels import LogChannel, WebhookChannel
from phasegate.adapters.clock import SystemClock
from phasegate.domain.criteria import Level
from phasegate.domain.errors import Away, ChannelAway, SettingsError
from phasegate.domain.events import Notice


def a_notice(level: Level = Level.CRITICAL) -> Notice:
    return Notice(
        id="n-1",
        level=level,
        channels=("x",),
        subject="rel-7 is taken back",
        text="error rate 8 %\nlimit 1 %",
    )


@pytest.fixture
async def client():
    async with httpx.AsyncClient() as client:
        yield client


def sent(server: Loopback) -> dict[str, Any]:
    return dict(json.loads(server.requests[-1][1]))


async def test_a_webhook_gets_the_notice_and_its_key(client):
    """
    The key lets the receiver drop what it already has.
    """
    async with serve(lambda *_: Reply(202, {})) as server:
        said = await WebhookChannel("ops", SecretStr(server.url), client).send(a_notice(), key="n-1/ops")

    assert said.startswith("202")
    assert server.requests[0][0]["idempotency-key"] == "n-1/ops"
    assert sent(server) == {
        "channel": "ops",
        "level": "critical",
        "subject": "rel-7 is taken back",
        "text": "error rate 8 %\nlimit 1 %",
        "key": "n-1/ops",
    }


async def test_slack_gets_its_own_shape(client):
    """
    Slack refuses every other body, and a text must not become a mention.
    """
    notice = a_notice().model_copy(update={"text": "<!channel> & co"})

    async with serve(lambda *_: Reply(200, b"ok")) as server:
        await WebhookChannel("slack:#eng-alerts", server.url, client).send(notice, key="k")

    assert sent(server) == {"text": "*rel-7 is taken back*\n&lt;!channel&gt; &amp; co"}


async def test_pagerduty_gets_an_event_that_dedups(client):
    """
    The same cause pages once: the key is the incident's.
    """
    async with serve(lambda *_: Reply(202, {"status": "success"})) as server:
        url = f"{server.url}/v2/enqueue?routing_key=R0UT1NG"
        await WebhookChannel("pagerduty", url, client).send(a_notice(), key="n-1/pagerduty")

    event = sent(server)
    assert server.calls == [("POST", "/v2/enqueue")]
    assert event["routing_key"] == "R0UT1NG"
    assert event["event_action"] == "trigger"
    assert event["dedup_key"] == "n-1/pagerduty"
    assert event["payload"]["severity"] == "critical"
    assert event["payload"]["summary"] == "rel-7 is taken back"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
async def test_a_channel_that_is_busy_is_tried_again(client, status):
    """
    The outbox keeps what Away was raised for.
    """
    async with serve(lambda *_: Reply(status, b"later")) as server:
        channel = WebhookChannel("ops", server.url, client)

        with pytest.raises(Away, match=f"'ops' answered {status}"):
            await channel.send(a_notice(), key="k")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "30"}, 30),
        ({"Retry-After": "Tue, 17 Feb 2026 03:01:00 GMT", "Date": "Tue, 17 Feb 2026 03:00:00 GMT"}, 60),
        ({"Retry-After": "Tue, 17 Feb 2026 03:01:00 GMT", "Date": "Tue, 17 Feb 2026 04:00:00 GMT"}, 0),
        ({"Retry-After": "9" * 30}, 86400),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-1"}, None),
        ({}, None),
    ],
)
async def test_a_channel_that_is_busy_may_say_for_how_long(client, headers, seconds):
    """
    Asking before that is what it counts against us.
    """
    async with serve(lambda *_: Reply(429, b"slowly", headers)) as server:
        channel = WebhookChannel("ops", server.url, client)

        with pytest.raises(ChannelAway) as away:
            await channel.send(a_notice(), key="k")

    assert away.value.after == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize("status", [301, 400, 403, 404, 410])
async def test_a_refusal_is_final(client, status):
    """
    Repeating cannot help; somebody has to correct the address.
    """
    async with serve(lambda *_: Reply(status, b"no_service")) as server:
        channel = WebhookChannel("ops", server.url, client)

        with pytest.raises(SettingsError, match=f"answered {status}: no_service; check its address"):
            await channel.send(a_notice(), key="k")


async def test_a_channel_that_does_not_answer_is_away(client):
    """
    A network that is down is no refusal.
    """
    with pytest.raises(Away, match="'ops' did not answer"):
        await WebhookChannel("ops", "http://127.0.0.1:9", client).send(a_notice(), key="k")


async def test_the_address_is_in_no_message_and_no_log(client, caplog):
    """
    Whoever has a webhook's address can post in our name.
    """
    caplog.set_level(logging.INFO)

    async with serve(lambda _, path, __: Reply(404, f"no hook at {path}".encode())) as server:
        channel = WebhookChannel("slack:#x", f"{server.url}/services/T0/B0/s3cret", client)
        with pytest.raises(SettingsError) as refused:
            await channel.send(a_notice(), key="k")
    with pytest.raises(SettingsError) as wrong:
        WebhookChannel("ops", "s3cret", client)

    assert "s3cret" not in f"{refused.value}{wrong.value}{caplog.text}"


async def test_pagerduty_without_a_routing_key_is_a_setting_to_correct(client):
    """
    It would accept nothing, so it is said before a page is needed.
    """
    with pytest.raises(SettingsError, match=r"v2/enqueue\?routing_key="):
        WebhookChannel("pagerduty", "https://events.pagerduty.com/v2/enqueue", client)


async def test_the_deployment_log_gets_one_line(tmp_path):
    """
    A delivery that is repeated after a crash must not be there twice.
    """
    log = tmp_path / "logs" / "deployments.log"
    channel = LogChannel("deployment-log", SystemClock(), path=log)

    first = await channel.send(a_notice(Level.INFO), key="n-1/deployment-log")
    second = await channel.send(a_notice(Level.INFO), key="n-1/deployment-log")
    await channel.send(a_notice(Level.INFO), key="n-2/deployment-log")

    lines = log.read_text().splitlines()
    assert len(lines) == 2
    assert lines[0].endswith('INFO rel-7 is taken back: error rate 8 % | limit 1 % key="n-1/deployment-log"')
    assert (first, second) == (f"written to {log}", "already written")


async def test_a_log_that_cannot_be_written_is_tried_again(tmp_path):
    """
    A full or missing disk passes; the notice must not be lost for it.
    """
    (tmp_path / "file").write_text("")
    channel = LogChannel("deployment-log", SystemClock(), path=tmp_path / "file" / "log")

    with pytest.raises(Away, match="'deployment-log' cannot be written"):
        await channel.send(a_notice(), key="k")


@pytest.mark.parametrize(
    ("level", "command"),
    [(Level.INFO, "notice"), (Level.WARNING, "warning"), (Level.CRITICAL, "error")],
)
async def test_inside_github_actions_it_annotates(monkeypatch, level, command):
    """
    The runbook's deployment log is GitHub Actions; its commands have their own escapes.
    """
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    stream = io.StringIO()

    await LogChannel("deployment-log", SystemClock(), stream=stream).send(a_notice(level), key="k")

    assert stream.getvalue().splitlines()[-1] == (
        f"::{command} title=rel-7 is taken back::error rate 8 %25%0Alimit 1 %25"
    )


async def test_outside_of_it_nothing_pretends_to(monkeypatch):
    """
    On a terminal the commands would be noise.
    """
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    stream = io.StringIO()

    await LogChannel("deployment-log", SystemClock(), stream=stream).send(a_notice(), key="k")

    assert stream.getvalue().count("\n") == 1
