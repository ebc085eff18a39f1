"""
Prefect's REST API over plain HTTP: credentials, CSRF, and which calls may be sent again.

Shapes are those of Prefect 3.8.8's server (its own ``/docs``). A SQLite server answers
``database is locked`` as 503 or by resetting the connection, so a call that may have
acted is never repeated blindly: it raises Ambiguous and the caller reads first.
"""

import asyncio
import time
import uuid
from contextlib import suppress
from typing import Any

import httpx
from pydantic import SecretStr

from phasegate.adapters.localhost import LocalhostTransport
from phasegate.domain.errors import FixTheInput, RunsAway, SettingsError

ATTEMPTS = 4
FIRST_PAUSE = 0.2
# Shorter than the server's keep-alive: a connection that idled longer is reset under the next POST.
KEEPALIVE = 2.0
_REFUSED_INPUT = frozenset({400, 409, 422})
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Ambiguous(RunsAway):
    """The call was sent and no usable answer came; it may have acted."""


class NotTaken(RunsAway):
    """The call did not reach Prefect, or was turned away before it acted."""


class Missing(RunsAway):
    """Prefect itself says that it knows no such thing (404)."""


class PrefectApi:
    """
    A client of one Prefect server at *api_url* (``http://host:4200/api``).

    *auth* is ``user:password`` or empty. *timeout*, in seconds, bounds one try;
    all tries of a call together end after about twice that. Raises SettingsError for an
    address with credentials in it: it is printed and noted where people read it.
    """

    def __init__(self, api_url: str, *, auth: SecretStr, timeout: float) -> None:
        self.url = _checked(api_url)
        self._timeout = timeout
        self._csrf = {"Prefect-Csrf-Client": uuid.uuid4().hex}
        user, _, password = auth.get_secret_value().partition(":")
        self._client = httpx.AsyncClient(
            transport=LocalhostTransport(limits=httpx.Limits(keepalive_expiry=KEEPALIVE)),
            timeout=timeout,
            auth=httpx.BasicAuth(user, password) if user else None,
            headers={"User-Agent": "phasegate", "Accept": "application/json"},
        )

    async def aclose(self) -> None:
        """Close the client."""
        await self._client.aclose()

    async def get(self, path: str) -> Any:
        """The JSON at *path*. Raises Missing, RunsAway, or SettingsError for the credentials."""
        return await self._call("GET", path, None, repeatable=True)

    async def post(self, path: str, body: Any, *, repeatable: bool) -> Any:
        """
        Post *body* and return the answer's JSON, None when it is empty.

        With *repeatable* (reads, and writes under an idempotency key) it is sent again
        when no usable answer came, otherwise Ambiguous is raised. Raises FixTheInput
        with Prefect's words for 400, 409 and 422; else as :meth:`get`.
        """
        return await self._call("POST", path, body, repeatable=repeatable)

    async def _call(self, method: str, path: str, body: Any, *, repeatable: bool) -> Any:
        began, pause = time.monotonic(), FIRST_PAUSE
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._once(method, path, body)
            except (NotTaken, Ambiguous) as error:
                unsafe = isinstance(error, Ambiguous) and not repeatable
                if unsafe or attempt == ATTEMPTS or time.monotonic() - began > self._timeout:
                    raise
            await asyncio.sleep(pause)
            pause *= 2
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, method: str, path: str, body: Any) -> Any:
        response = await self._send(method, path, body)
        if response.status_code == 403 and "csrf" in response.text.lower():
            await self._fetch_csrf_token()
            response = await self._send(method, path, body)
        return self._read(response)

    async def _send(self, method: str, path: str, body: Any) -> httpx.Response:
        headers = self._csrf if method != "GET" else {}
        try:
            return await self._client.request(method, self.url + path, json=body, headers=headers)
        except _NEVER_SENT as error:
            raise NotTaken(self._words(_because(error))) from error
        except httpx.TransportError as error:
            raise Ambiguous(self._words(_because(error))) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SettingsError(
                f"PHASEGATE_PREFECT_API_URL: {self.url!r} cannot be used: {error}; "
                "write the address of the API, such as http://127.0.0.1:4200/api"
            ) from error

    async def _fetch_csrf_token(self) -> None:
        client = self._csrf["Prefect-Csrf-Client"]
        answer = self._read(await self._send("GET", f"/csrf-token?client={client}", None))
        self._csrf = {"Prefect-Csrf-Client": client, "Prefect-Csrf-Token": str(answer["token"])}

    def _read(self, response: httpx.Response) -> Any:
        status = response.status_code
        if 200 <= status < 300:
            return self._json(response)
        if status in (401, 403):
            raise SettingsError(
                f"the Prefect API at {self.url} refuses the credentials ({status}); "
                "set PHASEGATE_PREFECT_AUTH to user:password as the server has it"
            )
        if status == 404:
            raise self._not_found(response)
        if status in _REFUSED_INPUT:
            raise FixTheInput(_detail(response))
        if status == 429:
            raise NotTaken(self._words("turned the call away: too many requests (429)"))
        raise Ambiguous(self._words(f"answered {status}: {_detail(response)}"))

    def _json(self, response: httpx.Response) -> Any:
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            raise NotTaken(
                self._words("answers, but not in JSON; is this the API's address (…/api)?")
            ) from error

    def _not_found(self, response: httpx.Response) -> RunsAway:
        """A wrong address must not look like a run that vanished: only Prefect's own 404 counts."""
        detail = _detail(response)
        if detail.endswith(" not found"):
            return Missing(detail)
        return NotTaken(self._words("has no such route; is this the API's address (…/api)?"))

    def _words(self, what: str) -> str:
        return f"the Prefect API at {self.url} {what}"


def _checked(api_url: str) -> str:
    with suppress(httpx.InvalidURL):
        url = httpx.URL(api_url)
        if url.userinfo:
            raise SettingsError(
                f"PHASEGATE_PREFECT_API_URL: {url.copy_with(userinfo=b'')!s} is written with credentials; "
                "write it without them, and set PHASEGATE_PREFECT_AUTH to user:password"
            )
    return api_url.rstrip("/")


def _because(error: Exception) -> str:
    return f"did not answer ({type(error).__name__}{f': {error}' if str(error) else ''})"


def _detail(response: httpx.Response) -> str:
    """What Prefect says is wrong: ``detail``, or each field of ``exception_detail`` with its message."""
    try:
        body = response.json()
    except ValueError:
        return " ".join(response.text.split())[:300]
    if not isinstance(body, dict):
        return str(body)[:300]
    faults = body.get("exception_detail") or body.get("detail") or body.get("exception_message") or ""
    if not isinstance(faults, list):
        return str(faults)[:600]
    return "; ".join(_fault(fault) for fault in faults)[:600]


def _fault(fault: Any) -> str:
    if not isinstance(fault, dict):
        return str(fault)
    place = ".".join(str(part) for part in fault.get("loc", ()) if part != "body")
    return f"{place}: {fault.get('msg', '')}" if place else str(fault.get("msg", ""))
