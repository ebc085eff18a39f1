"""Health checks, validation and load test: what is asked of the service through its front door."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx

from phasegate.adapters.load_check import run_load_check
from phasegate.adapters.localhost import LocalhostTransport
from phasegate.adapters.validation import run_validation
from phasegate.domain.checklist import Result
from phasegate.domain.observation import Probe
from phasegate.domain.plan import HealthContract, Load, Validation
from phasegate.domain.quantities import format_duration
from phasegate.domain.synthetic import USER_AGENT, SyntheticRequest
from phasegate.ports import Clock

OVERRIDES = "Cloudflare-Workers-Version-Overrides"
LONGEST_BODY = 64 * 1024
# A little more than the contract allows, so that a slow answer is told from none.
GRACE = timedelta(seconds=1)

_ABSENT = object()


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes


class HttpChecks:
    """
    Implements ``Checks`` over HTTP and with programs of *project*.

    Every probe opens its own connection: an idle one that the front door closed
    meanwhile would look like a sick service. No cookie is kept, or one could pin
    the probes to a version. Close it with :meth:`aclose`.
    """

    def __init__(self, clock: Clock, *, project: Path) -> None:
        self._clock = clock
        self._project = project
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.AsyncClient(
            transport=LocalhostTransport(limits=limits),
            headers={"User-Agent": USER_AGENT},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    async def aclose(self) -> None:
        """Close the client."""
        await self._client.aclose()

    async def health(self, url: str, contract: HealthContract, *, overrides: str = "") -> Probe:
        """
        Ask once for *contract*'s path and compare the answer with the contract.

        *overrides* is the value of Cloudflare's version-override header, such as
        ``my-service="<version id>"``. ``served_by`` of the probe is the body's
        ``version``, else the ``X-Version-Id`` header. Whatever the service does
        becomes a fault in words; nothing is raised for it.
        """
        at, address = self._clock.now(), url.rstrip("/") + contract.path
        began = time.perf_counter()
        answer = await self._ask(address, contract.within + GRACE, overrides=overrides)
        elapsed = timedelta(seconds=time.perf_counter() - began)
        if isinstance(answer, str):
            return Probe(at=at, ok=False, url=address, elapsed=elapsed, faults=(answer,))
        body = _object(answer.body)
        faults = tuple(_faults(answer.status, elapsed, body, contract=contract))
        return _probe(at, address, elapsed, answer, faults=faults)

    async def ask(self, url: str, request: SyntheticRequest, *, within: timedelta, overrides: str) -> Probe:
        """Send *request* once; any other status than the one asked for is a fault, and so is no answer."""
        at, address = self._clock.now(), url.rstrip("/") + request.path
        began = time.perf_counter()
        answer = await self._ask(address, within, overrides=overrides, request=request)
        elapsed = timedelta(seconds=time.perf_counter() - began)
        if isinstance(answer, str):
            return Probe(at=at, ok=False, url=address, elapsed=elapsed, faults=(answer,))
        faults = () if answer.status == request.status else (f"status {answer.status}, not {request.status}",)
        return _probe(at, address, elapsed, answer, faults=faults)

    async def validate(self, url: str, validation: Validation) -> tuple[Result, ...]:
        """Run the validation program with STAGING_URL set to *url* and read its results."""
        return await run_validation(url, validation, project=self._project, clock=self._clock)

    async def load(self, url: str, load: Load) -> dict[str, object]:
        """Run the open-loop load test; times in milliseconds, ``error_rate`` as a fraction."""
        return await run_load_check(url, load, project=self._project)

    async def _ask(
        self, address: str, limit: timedelta, *, overrides: str, request: SyntheticRequest | None = None
    ) -> _Answer | str:
        headers = {"Accept": "application/json", **({OVERRIDES: overrides} if overrides else {})}
        body = request.body if request else ""
        headers |= {"Content-Type": "application/json"} if body else {}
        try:
            async with asyncio.timeout(limit.total_seconds()):
                return await self._send(request.method if request else "GET", address, headers, body)
        except (TimeoutError, httpx.TimeoutException):
            return f"no answer within {format_duration(limit)}"
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return f"no answer: {str(error) or type(error).__name__}"

    async def _send(self, method: str, address: str, headers: dict[str, str], content: str) -> _Answer:
        body, sent = b"", content.encode() or None
        async with self._client.stream(
            method, address, headers=headers, content=sent, timeout=None
        ) as response:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > LONGEST_BODY:
                    break
            return _Answer(response.status_code, response.headers, body[: LONGEST_BODY + 1])


def _object(body: bytes) -> dict[str, Any] | str:
    if len(body) > LONGEST_BODY:
        return f"the body is longer than {LONGEST_BODY // 1024} KiB"
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return f"the body is not JSON: {body[:60].decode(errors='replace')!r}"
    return value if isinstance(value, dict) else f"the body is not a JSON object but {type(value).__name__}"


def _faults(
    status: int, elapsed: timedelta, body: dict[str, Any] | str, *, contract: HealthContract
) -> Iterator[str]:
    if status != contract.status:
        yield f"status {status} instead of {contract.status}"
    if elapsed > contract.within:
        yield f"answered after {_millis(elapsed)}, allowed are {_millis(contract.within)}"
    if isinstance(body, str):
        yield body
        return
    for field in contract.fields:
        if _find(body, field) is _ABSENT:
            yield f"field {field!r} is missing"
    for field, wanted in contract.expect.items():
        found = _find(body, field)
        if found is _ABSENT and field not in contract.fields:
            yield f"field {field!r} is missing, expected {json.dumps(wanted)}"
        elif found is not _ABSENT and not _same(found, wanted):
            yield f"field {field!r} is {json.dumps(found)[:80]} instead of {json.dumps(wanted)}"


def _find(body: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        if not isinstance(body, dict) or part not in body:
            return _ABSENT
        body = body[part]
    return body


def _same(found: Any, wanted: Any) -> bool:
    """Equal in value and kind: in Python 1 equals True, in JSON it does not."""
    return type(found) is type(wanted) and found == wanted


def _probe(
    at: datetime, address: str, elapsed: timedelta, answer: _Answer, *, faults: tuple[str, ...]
) -> Probe:
    return Probe(
        at=at,
        ok=not faults,
        url=address,
        status=answer.status,
        elapsed=elapsed,
        served_by=_served_by(_object(answer.body), answer.headers),
        faults=faults,
    )


def _served_by(body: dict[str, Any] | str, headers: httpx.Headers) -> str:
    named = body.get("version") if isinstance(body, dict) else None
    return str(named) if named else str(headers.get("X-Version-Id", ""))


def _millis(duration: timedelta) -> str:
    return f"{duration.total_seconds() * 1000:.0f} ms"
