"""Counts per interval, version and endpoint, from Workers Observability."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

import httpx

from phasegate.adapters.cloudflare.client import CloudflareClient
from phasegate.adapters.cloudflare.counting import (
    BY_ANSWER,
    BY_EACH,
    BY_ENDPOINT,
    BY_OUTCOME,
    BY_VERSION,
    Interval,
    Leftovers,
    counts_of,
    told_by_each,
    unattributed,
)
from phasegate.adapters.cloudflare.envelope import Rejected
from phasegate.adapters.cloudflare.queries import PATH, Keys, Sums, Window, question, sums
from phasegate.adapters.cloudflare.wire import QueryResult, parse
from phasegate.domain.errors import MetricsAway, PhasegateError
from phasegate.domain.observation import Batch, Minute
from phasegate.domain.synthetic import USER_AGENT

MOST_INTERVALS = 60
# Small enough that a source that is away is noticed after one round, not after sixty.
INTERVALS_AT_ONCE = 4
QUERIES_AT_ONCE = 16
# So many intervals of a Worker are asked cut by cut after one whose events did not fit into one answer.
CUT_BY_CUT = 10
_SHORTEST = timedelta(milliseconds=100)

T = TypeVar("T")


class CloudflareTelemetry:
    """
    Implements ``Metrics`` with the telemetry query of Workers Observability.

    An interval costs two queries: all events, and answers per version, method, path,
    status, outcome and wall time. When these do not add up to all events (more groups than
    an answer holds, an event without a status) it costs one for each cut more: answers
    without the wall time, and the slow ones per version, method and path; and three or four
    when that does not add up either. Errors are answers of 500 and above and invocations that
    did not end well; a client that hung up is none. The token needs Workers Observability Write.
    """

    def __init__(self, client: CloudflareClient) -> None:
        self._client = client
        self._turns = asyncio.Semaphore(QUERIES_AT_ONCE)
        self._cut_by_cut: dict[str, int] = {}

    async def collect(
        self,
        worker: str,
        *,
        since: datetime,
        now: datetime,
        interval: timedelta,
        settle: timedelta,
        cuts: tuple[int, ...],
    ) -> Batch:
        """
        The complete intervals ``since + k * interval`` that end by ``now - settle``, 60 at most.

        When the source goes away half-way, the intervals before the gap are returned.
        Raises MetricsAway when not even the first can be read, also because the token
        is refused: a source that may not be read is away.
        """
        if interval < _SHORTEST:
            raise ValueError(f"an interval is at least {_SHORTEST}, not {interval}")
        settled = now - settle
        windows = _windows(worker, since, until=settled, interval=interval)
        return Batch(minutes=await self._minutes(windows, cuts), settled_until=settled)

    async def marked(self, worker: str, *, since: datetime, until: datetime, cuts: tuple[int, ...]) -> Minute:
        """What requests of our own did in ``[since, until)``; one query when none did. Raises MetricsAway."""
        window = Window(worker, since, until, agent=USER_AGENT)
        try:
            if not (await self._sums(window)).total:
                return Minute(start=since, length=until - since)
            return await self._minute(window, cuts)
        except PhasegateError as failure:
            raise MetricsAway(f"Workers Observability: {failure}") from failure

    async def _minutes(self, windows: tuple[Window, ...], cuts: tuple[int, ...]) -> tuple[Minute, ...]:
        read: list[Minute] = []
        for first in range(0, len(windows), INTERVALS_AT_ONCE):
            turn = windows[first : first + INTERVALS_AT_ONCE]
            for minute in await _finished(*(self._minute(window, cuts) for window in turn)):
                if isinstance(minute, BaseException):
                    return _before_gap(read, minute)
                read.append(minute)
        return tuple(read)

    async def _minute(self, window: Window, cuts: tuple[int, ...]) -> Minute:
        interval = await self._interval(window, cuts)
        counts = counts_of(interval)
        return Minute(
            start=window.start,
            length=window.end - window.start,
            counts=counts,
            unattributed=unattributed(interval, counts),
            sampling=interval.sampling,
            query=_words(window, interval),
        )

    async def _interval(self, window: Window, cuts: tuple[int, ...]) -> Interval:
        left = self._cut_by_cut.get(window.worker, 0)
        if not cuts or left:
            self._cut_by_cut[window.worker] = max(left - 1, 0)
            return await self._by_cut(window, cuts)
        total, each = await _all(self._sums(window), self._each(window))
        if (found := told_by_each(total, each, cuts)) is not None:
            return found
        self._cut_by_cut[window.worker] = CUT_BY_CUT
        return await self._by_cut(window, cuts)

    async def _each(self, window: Window) -> Sums:
        """Nothing when the platform does not group by a key of so many values."""
        try:
            return await self._sums(window, keys=BY_EACH)
        except Rejected as refused:
            if refused.status != httpx.codes.BAD_REQUEST:
                raise
            return Sums(groups={}, sampling=1.0)

    async def _by_cut(self, window: Window, cuts: tuple[int, ...]) -> Interval:
        total, answers, *slow = await _all(
            self._sums(window),
            self._sums(window, keys=BY_ANSWER),
            *(self._sums(window, keys=BY_ENDPOINT, slower_than=cut) for cut in cuts),
        )
        interval = Interval(total=total, answers=answers, slow=dict(zip(cuts, slow, strict=True)))
        return replace(interval, left=await self._left(window, cuts)) if interval.incomplete else interval

    async def _left(self, window: Window, cuts: tuple[int, ...]) -> Leftovers:
        outcomes, failed, *slow = await _all(
            self._sums(window, keys=BY_OUTCOME),
            self._sums(window, keys=BY_OUTCOME, failed=True),
            *(self._sums(window, keys=BY_VERSION, slower_than=cut) for cut in cuts),
        )
        return Leftovers(outcomes=outcomes, failed=failed, slow=dict(zip(cuts, slow, strict=True)))

    async def _sums(
        self, window: Window, *, keys: Keys = (), slower_than: int | None = None, failed: bool = False
    ) -> Sums:
        asked = question(window, keys=keys, slower_than=slower_than, failed=failed)
        async with self._turns:
            result = await self._client.ask(PATH, asked)
        return sums(parse(QueryResult, result, asked=f"POST {PATH}"), keys)


def _windows(worker: str, since: datetime, *, until: datetime, interval: timedelta) -> tuple[Window, ...]:
    complete = max((until - since) // interval, 0)
    starts = (since + k * interval for k in range(min(complete, MOST_INTERVALS)))
    return tuple(Window(worker, start, start + interval) for start in starts)


async def _finished(*asked: Awaitable[T]) -> list[T | BaseException]:
    return await asyncio.gather(*asked, return_exceptions=True)


async def _all(*asked: Awaitable[T]) -> list[T]:
    # Waits for every query also when one fails: none may outlive the call.
    done = await _finished(*asked)
    for each in done:
        if isinstance(each, BaseException):
            raise each
    return [each for each in done if not isinstance(each, BaseException)]


def _before_gap(read: list[Minute], failure: BaseException) -> tuple[Minute, ...]:
    if not isinstance(failure, PhasegateError):
        raise failure
    if not read:
        raise MetricsAway(f"Workers Observability: {failure}") from failure
    return tuple(read)


def _words(window: Window, interval: Interval) -> str:
    cuts = ", ".join(f"{cut} ms" for cut in interval.slow)
    sampled = f"; 1 in {interval.sampling:g} stored" if interval.sampling > 1 else ""
    return (
        f"Workers Observability, {window.worker}, "
        f"[{window.start.isoformat()}, {window.end.isoformat()}): "
        f"count by version, method, path, status and outcome; slower than {cuts or 'nothing'}; all{sampled}"
    )
