"""
The load generator: an open loop of requests, as many a second as asked, whatever the answers do.

A start that is late stays late: latency counts from the intended start, so a service that
stalls cannot make the generator wait with it and look fast.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import aiohttp
from yarl import URL

from phasegate.adapters.load_plan import LoadPlan, LoadTargetAway, Request
from phasegate.adapters.load_report import UNKNOWN_VERSION, LoadReport, LoadSample, Tally
from phasegate.adapters.load_transport import Tokens, open_http, parse_base

__all__ = ["LoadPlan", "LoadReport", "LoadSample", "Request", "run_load"]

SAMPLE_SECONDS = 1.0
LONGEST_SLEEP = 0.2
SETUP_TRIES = 5
SETUP_PAUSE = 0.1
JSON_TYPE = {"Content-Type": "application/json"}

Progress = Callable[[LoadSample], None]


async def run_load(
    base_url: str, plan: LoadPlan, *, on_progress: Progress | None = None, stop: asyncio.Event | None = None
) -> LoadReport:
    """
    Send the plan's requests to *base_url* until its duration is over or *stop* is set.

    *on_progress* is called once a second. Raises LoadPlanError when the address is none, and
    LoadTargetAway when there is no session or the setup requests fail; whatever
    happens to the requests of the mix is in the report.
    """
    base = parse_base(base_url)
    async with open_http(plan) as http:
        tokens = Tokens(http, base, plan.session) if plan.session else None
        if tokens:
            await tokens.open()
        generator = _Generator(http, base, plan, tokens=tokens, stop=stop or asyncio.Event())
        return await generator.run(on_progress)


@dataclass(frozen=True, slots=True)
class _Shot:
    """A request made ready: nothing but the token is added when it is sent."""

    request: Request
    url: URL
    body: bytes | None
    headers: Mapping[str, str]


class _Generator:
    def __init__(
        self,
        http: aiohttp.ClientSession,
        base: URL,
        plan: LoadPlan,
        *,
        tokens: Tokens | None,
        stop: asyncio.Event,
    ) -> None:
        self._http = http
        self._plan = plan
        self._tokens = tokens
        self._stop = stop
        # Not the loop's own clock: uvloop rounds it to a millisecond and stops it while callbacks run.
        self._clock = time.perf_counter
        self._tally = Tally()
        self._open: set[asyncio.Task[None]] = set()
        self._setup = [shot for request in plan.setup for shot in _shots(base, request)]
        self._mix = [_shots(base, request) for request in plan.mix]
        self._weights = list(accumulate(request.weight for request in plan.mix))
        # Drawn, not cycled: a cycle beside the edge's exact splitter would give the canary the same
        # few endpoints for ever. Seeded, so that a test can be repeated.
        self._random = random.Random(plan.seed)

    async def run(self, on_progress: Progress | None) -> LoadReport:
        async with _beside(*([self._tokens.keep()] if self._tokens else [])):
            await self._prepare()
            begin = self._clock()
            async with _beside(*([self._watch(on_progress, begin)] if on_progress else [])):
                started = await self._send_all(begin)
        return self._tally.report(
            self._clock() - begin,
            threshold_ms=self._plan.threshold.total_seconds() * 1000,
            stopped_early=self._plan.duration is not None and started < self._plan.starts,
        )

    async def _prepare(self) -> None:
        for shot in self._setup:
            why = ""
            # Tried again, because traffic must be able to start beside a version that fails now and then.
            for attempt in range(SETUP_TRIES):
                await asyncio.sleep(SETUP_PAUSE * attempt)
                if not (why := await self._refusal(shot)):
                    break
            else:
                raise LoadTargetAway(f"setup: {shot.request.method} {shot.url} {why}")

    async def _refusal(self, shot: _Shot) -> str:
        """Send it; why it failed, or ""."""
        try:
            async with self._request(shot) as response:
                text = await response.text(errors="replace")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return f"got no answer: {type(error).__name__}: {error}"
        return (
            f"answered {response.status}: {text[:200]}" if _is_failure(shot.request, response.status) else ""
        )

    async def _send_all(self, begin: float) -> int:
        try:
            started = await self._start_all(begin)
            if self._open:
                await asyncio.wait(self._open, timeout=self._plan.timeout.total_seconds() + 1)
        finally:
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)
        return started

    async def _start_all(self, begin: float) -> int:
        """Start every request at its time; how many were due when it ended."""
        for number in range(self._plan.starts):
            intended = begin + number / self._plan.rate
            await self._wait_until(intended)
            if self._stop.is_set():
                return number
            self._start(intended)
        return self._plan.starts

    async def _wait_until(self, moment: float) -> None:
        delay = moment - self._clock()
        # Behind schedule it still yields, or the requests just started would never be sent.
        await asyncio.sleep(min(max(delay, 0), LONGEST_SLEEP))
        # Not a wait for the event: that would cost each request more than the sending of it.
        while (delay := moment - self._clock()) > 0 and not self._stop.is_set():  # noqa: ASYNC110
            await asyncio.sleep(min(delay, LONGEST_SLEEP))

    def _start(self, intended: float) -> None:
        if len(self._open) >= self._plan.max_in_flight:
            self._tally.dropped += 1
            return
        kind = self._random.choices(self._mix, cum_weights=self._weights)[0]
        shot = kind[0] if len(kind) == 1 else self._random.choice(kind)
        task = asyncio.create_task(self._send(shot, intended))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _send(self, shot: _Shot, intended: float) -> None:
        self._tally.start((self._clock() - intended) * 1000)
        endpoint = shot.request.endpoint
        try:
            async with self._request(shot) as response:
                await response.read()
        except TimeoutError:
            self._tally.no_answer(endpoint, "Timeout", milliseconds=self._since(intended))
        except (aiohttp.ClientError, OSError) as error:
            self._tally.no_answer(endpoint, type(error).__name__, milliseconds=None)
        except asyncio.CancelledError:
            self._tally.no_answer(endpoint, "Unfinished", milliseconds=self._since(intended))
            raise
        else:
            self._count(shot.request, response, self._since(intended))

    def _count(self, request: Request, response: aiohttp.ClientResponse, milliseconds: float) -> None:
        failed = _is_failure(request, response.status)
        version = response.headers.get("X-Version", UNKNOWN_VERSION)
        self._tally.answer(
            request.endpoint, version, response.status, milliseconds=milliseconds, failed=failed
        )
        if response.status == 401 and self._tokens and request.needs_session:
            self._tokens.refused()

    def _request(self, shot: _Shot) -> Any:
        headers = shot.headers
        if shot.request.needs_session and self._tokens:
            headers = {**headers, **self._tokens.headers}
        return self._http.request(
            shot.request.method, shot.url, data=shot.body, headers=headers, allow_redirects=False
        )

    def _since(self, intended: float) -> float:
        return (self._clock() - intended) * 1000

    async def _watch(self, on_progress: Progress, begin: float) -> None:
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            on_progress(self._tally.sample(self._clock() - begin))


@asynccontextmanager
async def _beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run the works while the block runs; an error of theirs is raised when it ends."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error


def _is_failure(request: Request, status: int) -> bool:
    return status >= 400 and status not in request.expected


def _shots(base: URL, request: Request) -> list[_Shot]:
    body = None if request.body is None else json.dumps(request.body)
    headers = JSON_TYPE if body is not None else {}
    return [
        _Shot(
            request,
            base.join(URL(request.path.replace("{slot}", str(slot)))),
            None if body is None else body.replace("{slot}", str(slot)).encode(),
            headers,
        )
        for slot in range(request.slots)
    ]


if __name__ == "__main__":
    from phasegate.adapters.load_command import main

    sys.exit(main())
