"""Ways to tell people: webhooks (Slack, PagerDuty, any other) and the deployment log."""

import asyncio
import json
import logging
import os
import sys
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from phasegate.domain.criteria import Level
from phasegate.domain.errors import ChannelAway, SettingsError
from phasegate.domain.events import Notice
from phasegate.ports import Clock

TIMEOUT = 10.0
# Channels share the client's connections; one that hangs must leave some to the others.
AT_ONCE = 8
LONGEST_WAIT = 86400
# Shorter parts of an address are words such as "services".
LEAST_SECRET = 12
TAIL = 256 * 1024
_KNOWN = "already written"
SLACK_HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")
# A client that is told to come back, or to slow down, is not refused.
_TRY_AGAIN = frozenset({408, 425, 429})
_GITHUB = {Level.INFO: "notice", Level.WARNING: "warning", Level.CRITICAL: "error"}

# httpx logs every address at INFO; those of webhooks are secrets.
logging.getLogger("httpx").setLevel(logging.WARNING)


class WebhookChannel:
    """
    Implements ``Channel`` with one JSON POST per notice.

    The body is ``{channel, level, subject, text, key}``. Slack's addresses, and
    channels whose name starts with ``slack``, get ``{"text": …}``. A channel whose
    name starts with ``pagerduty`` gets an Events API v2 ``trigger`` with the key as
    ``dedup_key`` and the routing key from the address's query
    (``…/v2/enqueue?routing_key=…``). The address is a secret, as whoever has it can
    post: it appears in no message.
    """

    def __init__(self, name: str, url: SecretStr | str, client: httpx.AsyncClient) -> None:
        """Raises SettingsError when *url* is no http(s) address or lacks PagerDuty's routing key."""
        address = url.get_secret_value() if isinstance(url, SecretStr) else url
        self._name = name
        self._client = client
        self._lines = asyncio.Semaphore(AT_ONCE)
        self._url = _address(name, address)
        self._routing_key = ""
        if name.startswith("pagerduty"):
            self._routing_key = self._url.params.get("routing_key", "")
            self._url = self._url.copy_remove_param("routing_key")
            _require_routing_key(name, self._routing_key)

    async def send(self, notice: Notice, *, key: str) -> str:
        """
        Deliver *notice* once and say what came back.

        Raises ChannelAway when it should be tried again (no answer, 408, 425, 429, 5xx)
        and SettingsError when repeating cannot help (any other answer but 2xx).
        """
        # A header is ASCII; a channel may be called as people call it.
        headers = {"Idempotency-Key": quote(key, safe="/:#@,=+")}
        try:
            async with self._lines:
                response = await self._client.post(
                    self._url, json=self._body(notice, key), headers=headers, timeout=TIMEOUT
                )
        except httpx.HTTPError as error:
            raise ChannelAway(f"channel {self._name!r} did not answer ({type(error).__name__})") from None
        return self._outcome(response)

    def _outcome(self, response: httpx.Response) -> str:
        status = response.status_code
        if 200 <= status < 300:
            return f"{status} {response.reason_phrase}".strip()
        said = f"channel {self._name!r} answered {status}: {self._hidden(response.text)}".rstrip(": ")
        if status in _TRY_AGAIN or status >= 500:
            raise ChannelAway(f"{said}; it is tried again", after=_wanted(response))
        raise SettingsError(f"{said}; check its address in PHASEGATE_CHANNELS")

    def _hidden(self, text: str) -> str:
        """The answer's first words on one line, without an echo of the address, a part of it, or the key."""
        words = " ".join(text.split())
        parts = [*self._url.path.split("/"), *self._url.params.values()]
        long = [part for part in parts if len(part) >= LEAST_SECRET]
        for secret in (str(self._url), self._url.raw_path.decode(), self._routing_key, *long):
            if len(secret) > 1:
                words = words.replace(secret, "***")
        return words[:200]

    def _body(self, notice: Notice, key: str) -> dict[str, Any]:
        if self._routing_key:
            return self._pagerduty(notice, key)
        if self._name.startswith("slack") or self._url.host in SLACK_HOSTS:
            return {"text": f"*{_slack(notice.subject)}*\n{_slack(notice.text)}"}
        return {
            "channel": self._name,
            "level": notice.level.value,
            "subject": notice.subject,
            "text": notice.text,
            "key": key,
        }

    def _pagerduty(self, notice: Notice, key: str) -> dict[str, Any]:
        return {
            "routing_key": self._routing_key,
            "event_action": "trigger",
            "dedup_key": key[:255],
            "client": "phasegate",
            "payload": {
                "summary": notice.subject[:1024],
                "source": "phasegate",
                "severity": notice.level.value,
                "custom_details": {"text": notice.text},
            },
        }


def _wanted(response: httpx.Response) -> timedelta | None:
    """How long the channel wants to be left alone: ``Retry-After`` in seconds, or a date by its own clock."""
    wanted = response.headers.get("retry-after", "")
    try:
        if wanted.isascii() and wanted.isdigit():
            return timedelta(seconds=min(int(wanted), LONGEST_WAIT))
        later = parsedate_to_datetime(wanted) - parsedate_to_datetime(response.headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return max(later, timedelta(0))


def _address(name: str, address: str) -> httpx.URL:
    try:
        url = httpx.URL(address.strip())
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise SettingsError(
            f"PHASEGATE_CHANNELS: the address of channel {name!r} is not one: "
            "write http://… or https://… (it is not shown here because it may be a secret)"
        )
    return url


def _require_routing_key(name: str, key: str) -> None:
    if not key:
        raise SettingsError(
            f"PHASEGATE_CHANNELS: channel {name!r} has no routing key; "
            "write https://events.pagerduty.com/v2/enqueue?routing_key=<the integration's key>"
        )


def _slack(text: str) -> str:
    """Slack's own escapes: a text must not turn into a mention or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class LogChannel:
    """
    Implements ``Channel`` with one line in the deployment log.

    The log is a file to append to, or a stream when *path* is None. A key that the
    file's last 256 KiB hold already is not written again. Inside GitHub Actions
    (``GITHUB_ACTIONS=true``) the stream gets a ``::notice::``, ``::warning::`` or
    ``::error::`` command as well.
    """

    def __init__(
        self, name: str, clock: Clock, *, path: Path | None = None, stream: TextIO | None = None
    ) -> None:
        self._name = name
        self._clock = clock
        self._path = path
        self._stream = stream

    async def send(self, notice: Notice, *, key: str) -> str:
        """Write *notice*; raises ChannelAway when the log cannot be written now."""
        stream = self._stream or sys.stderr
        try:
            said = self._append(self._path, notice, key) if self._path else self._print(stream, notice, key)
            if os.environ.get("GITHUB_ACTIONS") == "true" and said != _KNOWN:
                print(github_command(notice), file=stream, flush=True)
        except OSError as error:
            raise ChannelAway(
                f"channel {self._name!r} cannot be written: {error.strerror or error}"
            ) from error
        return said

    def _print(self, stream: TextIO, notice: Notice, key: str) -> str:
        print(self._line(notice, key), file=stream, flush=True)
        return "written"

    def _append(self, path: Path, notice: Notice, key: str) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b", buffering=0) as log:
            log.seek(max(0, log.tell() - TAIL))
            if f" key={json.dumps(key)}\n".encode() in log.read():
                return _KNOWN
            log.write(f"{self._line(notice, key)}\n".encode())
        return f"written to {path}"

    def _line(self, notice: Notice, key: str) -> str:
        text = " | ".join(part for part in notice.text.splitlines() if part.strip())
        at = self._clock.now().isoformat(timespec="seconds")
        return f"{at} {notice.level.value.upper()} {notice.subject}: {text} key={json.dumps(key)}"


def github_command(notice: Notice) -> str:
    """The workflow command that makes *notice* an annotation, with GitHub's escapes."""
    title = _escaped(notice.subject).replace(":", "%3A").replace(",", "%2C")
    return f"::{_GITHUB[notice.level]} title={title}::{_escaped(notice.text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
