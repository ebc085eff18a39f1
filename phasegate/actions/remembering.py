"""Bring what the service did before the release into the ledger, once: a canary is judged against it."""

from datetime import datetime, timedelta

from phasegate.actions.outside import Outside
from phasegate.domain.errors import MetricsAway
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.observation import Minute

SPAN = timedelta(hours=24)
# Fine intervals and, where errors are few, hours show how errors scatter (two queries each). The
# rest of the day is one interval, in which latency is counted too (a query for each cut).
FINE, HOURS = 60, 12
HOUR = timedelta(hours=1)


def history_name(service: str) -> str:
    """Under which name the ledger keeps the intervals of *service* from before the release."""
    return f"{service} before the release"


async def remember(outside: Outside, state: ReleaseState, *, before: datetime) -> None:
    """
    Store the day that ends at *before*, unless that was done; what the source does not tell is not stored.

    It is stored so that whoever replays the release judges with the same history.
    """
    name, ledger = history_name(state.service), outside.journal.ledger
    if await ledger.minutes(state.release, name):
        return
    try:
        minutes = await _read(outside, state, before=before)
    except MetricsAway:
        return
    await ledger.add_minutes(state.release, name, minutes)


async def history(outside: Outside, state: ReleaseState) -> tuple[Minute, ...]:
    """What is stored of the time before the release, in order."""
    return await outside.journal.ledger.minutes(state.release, history_name(state.service))


async def _read(outside: Outside, state: ReleaseState, *, before: datetime) -> tuple[Minute, ...]:
    plan = state.plan
    recent = before - FINE * plan.interval
    hours = recent - HOURS * HOUR
    coarse = await _collect(
        outside, state, since=before - SPAN, interval=hours - (before - SPAN), cuts=plan.counted
    )
    hourly = await _collect(outside, state, since=hours, interval=HOUR, cuts=())
    fine = await _collect(outside, state, since=recent, interval=plan.interval, cuts=())
    return (
        *coarse[:1],
        *(minute for minute in hourly if minute.end <= recent),
        *(minute for minute in fine if minute.end <= before),
    )


async def _collect(
    outside: Outside, state: ReleaseState, *, since: datetime, interval: timedelta, cuts: tuple[int, ...]
) -> tuple[Minute, ...]:
    batch = await outside.metrics.collect(
        state.service,
        since=since,
        now=outside.clock.now(),
        interval=interval,
        settle=state.plan.telemetry.settle,
        cuts=cuts,
    )
    return batch.minutes
