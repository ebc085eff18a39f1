"""The HTTP side of the load generator: connections, names, sessions."""

import asyncio
import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from phasegate.adapters.load_plan import LoadPlan, LoadPlanError, LoadTargetAway, SessionPlan
from phasegate.adapters.localhost import LOOPBACK, is_localhost

# Servers commonly close idle connections after 5 s; a request into a closing one would count as failed.
IDLE_SECONDS = 3.0
OPEN_TRIES = 5
RETRY_SECONDS = 1.0


class LocalhostResolver(AbstractResolver):
    """``*.localhost`` is loopback whatever the system's resolver says (RFC 6761)."""

    def __init__(self) -> None:
        self._system = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of *host*."""
        if not is_localhost(host):
            return await self._system.resolve(host, port, family)
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        found = ResolveResult(
            hostname=host, host=LOOPBACK, port=port, family=socket.AF_INET, proto=0, flags=flags
        )
        return [found]

    async def close(self) -> None:
        """Nothing is held."""
        await self._system.close()


def open_http(plan: LoadPlan) -> aiohttp.ClientSession:
    """The one client of a load test: as many connections as requests in flight, no cookies."""
    connector = aiohttp.TCPConnector(limit=0, resolver=LocalhostResolver(), keepalive_timeout=IDLE_SECONDS)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=plan.timeout.total_seconds()),
        headers=dict(plan.headers),
        auto_decompress=False,
    )


def parse_base(base_url: str) -> URL:
    """The address of the service. Raises LoadPlanError."""
    try:
        url = URL(base_url)
    except ValueError as error:
        raise LoadPlanError(f"{base_url!r} is not a URL: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise LoadPlanError(f"{base_url!r} is not an http(s) URL")
    return url


class Tokens:
    """
    A session that is kept alive.

    ``headers`` always holds the newest token. A token is renewed at half its life, and at
    once when a request was refused with it.
    """

    def __init__(self, http: aiohttp.ClientSession, base: URL, plan: SessionPlan) -> None:
        self._http = http
        self._base = base
        self._plan = plan
        self._refused = asyncio.Event()
        self._refresh_token = ""
        self._life = 1.0
        self.headers: dict[str, str] = {}

    async def open(self) -> None:
        """Get the first token. Raises LoadTargetAway after a few tries."""
        why = ""
        for attempt in range(OPEN_TRIES):
            try:
                return self._take(await self._post(self._plan.path, self._plan.body))
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                why = f"{type(error).__name__}: {error}"
                await asyncio.sleep(RETRY_SECONDS * (attempt < OPEN_TRIES - 1))
        raise LoadTargetAway(
            f"no session from POST {self._base.join(URL(self._plan.path))} in {OPEN_TRIES} tries: {why}"
        )

    def refused(self) -> None:
        """A request was answered 401: renew now."""
        self._refused.set()

    async def keep(self) -> None:
        """Renew for ever; runs until it is cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._refused.wait(), max(RETRY_SECONDS, self._life / 2))
            self._refused.clear()
            with suppress(aiohttp.ClientError, OSError, TimeoutError, ValueError):
                self._take(await self._renewed())
            # One renewal a second at most: a service that refuses every token must not be flooded.
            await asyncio.sleep(RETRY_SECONDS)

    async def _renewed(self) -> Mapping[str, Any]:
        try:
            return await self._post(self._plan.refresh_path, {"refreshToken": self._refresh_token})
        except aiohttp.ClientResponseError:
            return await self._post(self._plan.path, self._plan.body)

    async def _post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        headers = {"Content-Type": "application/json"}
        url = self._base.join(URL(path))
        async with self._http.post(url, data=json.dumps(body), headers=headers) as response:
            response.raise_for_status()
            answer = json.loads(await response.read())
        if not isinstance(answer, dict):
            raise ValueError("the session is not a JSON object")
        return answer

    def _take(self, answer: Mapping[str, Any]) -> None:
        try:
            expires = datetime.fromisoformat(answer["expiresAt"])
            life = (expires - datetime.now(UTC)) / timedelta(seconds=1)
            token, self._refresh_token = str(answer["token"]), str(answer["refreshToken"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"the session lacks token, refreshToken or expiresAt: {error}") from error
        self._life = life
        self.headers = {"Authorization": f"Bearer {token}"}
