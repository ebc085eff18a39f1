"""One HTTP client for Cloudflare's API: readings are repeated, writes are sent once."""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from importlib import metadata
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from phasegate.adapters.cloudflare.envelope import Ambiguous, NotActed, Rejected, data_of, result_of
from phasegate.adapters.cloudflare.rate_limit import RateLimit
from phasegate.adapters.cloudflare.secrecy import BearerToken
from phasegate.adapters.localhost import ssl_context
from phasegate.domain.errors import PhasegateError, SettingsError, TargetAway
from phasegate.faultpoint import reach

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
_ACCOUNT = re.compile(r"[0-9A-Za-z_-]+")
_WORKER = re.compile(r"^workers/scripts/[^/]+")
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

Params = Mapping[str, str]
Parts = list[tuple[str, tuple[str | None, bytes, str]]]


class CloudflareClient:
    """
    Talks to ``<base_url>/accounts/<account_id>/…`` with a bearer token.

    *timeout* is in seconds and holds for one attempt, *budget* in seconds for all attempts
    of one reading. *needs* says, when the token is refused, what it has to have. Raises
    SettingsError for an address, account or token that cannot be right, before anything is sent.
    """

    def __init__(
        self,
        base_url: str,
        account_id: str,
        token: SecretStr,
        *,
        timeout: float,
        budget: float = 30.0,
        needs: str = "",
    ) -> None:
        self._auth = BearerToken(token)
        self._base = _checked_base(base_url)
        self._root = f"{self._base}/accounts/{_checked_account(account_id)}"
        self._needs = needs
        self.account_id = account_id
        self._budget = budget
        self._timeout = timeout
        self._limit = RateLimit()
        self._http = self._connections()

    def _connections(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            auth=self._auth,
            timeout=self._timeout,
            verify=ssl_context(),
            headers={"User-Agent": f"phasegate/{metadata.version('phasegate')}"},
            limits=httpx.Limits(max_connections=16, max_keepalive_connections=16),
            trust_env=not _is_loopback(httpx.URL(self._base).host),
        )

    def alongside(self) -> "CloudflareClient":
        """
        Another client with connections of its own, to be closed on its own.

        It has the same token and hears of the same rate limit. Who asks through it cannot keep
        the connections of this one busy.
        """
        other = copy(self)
        other._http = other._connections()
        return other

    def __repr__(self) -> str:
        return f"CloudflareClient({self._root!r})"

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def read(self, path: str, *, params: Params | None = None) -> Any:
        """
        GET, repeated while the platform is away; the envelope's ``result``.

        Raises TargetAway with the last answer once the budget is spent, SettingsError
        for a refused token, Rejected for any other refusal.
        """
        return await self._patiently(lambda: self._send("GET", path, params=params))

    async def ask(self, path: str, question: Mapping[str, Any]) -> Any:
        """POST a question that changes nothing; repeated and answered as in `read`."""
        return await self._patiently(lambda: self._send("POST", path, json=question))

    async def send_files(self, path: str, parts: Parts, *, token: SecretStr) -> Any:
        """POST base64 files by a session's own *token*; repeated as in `read`: equal names, equal bytes."""
        params = {"base64": "true"}
        auth = BearerToken(token)
        return await self._patiently(lambda: self._send("POST", path, params=params, files=parts, auth=auth))

    async def query(self, text: str, variables: Mapping[str, Any], *, budget: float | None = None) -> Any:
        """POST a GraphQL question, repeated and answered as in `read`, for *budget* seconds; its ``data``."""
        body = {"query": text, "variables": dict(variables)}
        return await self._patiently(
            lambda: self._send("POST", "/graphql", read=data_of, json=body), budget=budget
        )

    async def erase(self, path: str, *, params: Params | None = None) -> Any:
        """DELETE, repeated as in `read`: asking twice leaves the same state."""
        return await self._patiently(lambda: self._send("DELETE", path, params=params))

    async def write(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Mapping[str, Any] | None = None,
        parts: Parts | None = None,
    ) -> Any:
        """
        Send a change exactly once; the envelope's ``result``.

        Raises NotActed when it certainly had no effect and may be sent again,
        Ambiguous when only a reading can tell, SettingsError, Rejected.
        """
        return await self._send(method, path, params=params, json=json, files=parts)

    async def _patiently(self, attempt: Callable[[], Awaitable[Any]], *, budget: float | None = None) -> Any:
        budget = self._budget if budget is None else budget
        end = time.monotonic() + budget
        pauses = backoff()
        while True:
            try:
                return await attempt()
            except (NotActed, Ambiguous) as failure:
                wait = max(failure.after or 0.0, next(pauses))
                if time.monotonic() + wait >= end:
                    raise TargetAway(f"{failure}; given up after {budget:g} s of trying") from None
            await asyncio.sleep(wait)

    async def _send(
        self, method: str, path: str, *, read: Callable[..., Any] = result_of, **content: Any
    ) -> Any:
        url = f"{self._base}{path}" if path.startswith("/") else f"{self._root}/{path}"
        asked = f"{method} {path}"
        self._stay_quiet(asked)
        try:
            reach("before", method, _without_worker(path))
            response = await self._http.request(method, url, **content)
            reach("after", method, _without_worker(path))
            return read(response, asked=asked, needs=self._needs)
        except NotActed as failure:
            self._limit.holds(failure.after or 0.0)
            raise NotActed(self._auth.hide(str(failure)), after=failure.after) from None
        except _UNSENT as failure:
            raise NotActed(f"{asked}: no connection ({_name(failure)})") from None
        except (httpx.TransportError, httpx.DecodingError) as failure:
            raise Ambiguous(f"{asked}: the answer was lost ({_name(failure)})") from None
        except (TargetAway, SettingsError) as failure:
            raise self._hidden(failure) from None

    def _hidden(self, failure: PhasegateError) -> PhasegateError:
        failure.args = (self._auth.hide(str(failure)),)
        if isinstance(failure, Rejected):
            failure.words = self._auth.hide(failure.words)
        return failure

    def _stay_quiet(self, asked: str) -> None:
        # Calls made against a rate limit prolong it for every user of the token.
        if (left := self._limit.left()) > 0:
            raise NotActed(f"{asked}: not sent, the rate limit holds for {left:.0f} s more", after=left)


def script_path(worker: str, *rest: str) -> str:
    """The path of a Worker's script or of a part of it, below the account."""
    return "/".join(("workers/scripts", quote(worker, safe=""), *rest))


def _without_worker(path: str) -> str:
    return _WORKER.sub("script", path)


def backoff() -> "Pauses":
    """Seconds to wait before each further attempt: doubling, bounded, with jitter."""
    return Pauses()


class Pauses:
    """An endless run of growing pauses; a quarter of each is random, so that drivers do not march in step."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE

    def __iter__(self) -> "Pauses":
        return self

    def __next__(self) -> float:
        pause, self._next = self._next, min(self._next * 2, LONGEST_PAUSE)
        return pause * random.uniform(0.75, 1.0)


def _checked_base(base_url: str) -> str:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise SettingsError(f"PHASEGATE_API_URL is no address: {error}") from None
    safe = url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.host))
    if not safe or not url.host or url.userinfo or url.query:
        raise SettingsError(
            f"the API address {url.copy_with(userinfo=b'')!s} cannot be used; allowed is an https address, "
            "or http on this machine, without a user and without a query"
        )
    return base_url.rstrip("/")


def _checked_account(account_id: str) -> str:
    if not _ACCOUNT.fullmatch(account_id):
        raise SettingsError(
            f"{account_id!r} is not an account id; allowed are letters, digits, '-' and '_', "
            "as in the address of the dashboard"
        )
    return account_id


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _name(failure: Exception) -> str:
    return f"{type(failure).__name__} {failure}".strip()
