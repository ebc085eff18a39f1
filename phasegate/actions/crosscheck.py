"""Ask the second source of metrics what the first one should have counted, and what it missed while away."""

from datetime import datetime, timedelta

from phasegate.actions.collecting import floor, stored_until
from phasegate.actions.outside import Outside
from phasegate.actions.telling import tell
from phasegate.domain.criteria import ErrorRateAbove, Level
from phasegate.domain.errors import MetricsAway
from phasegate.domain.events import Breached, CrossChecked, Event
from phasegate.domain.judge.second import accuse
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.observation import Minute
from phasegate.domain.plan import CrossCheck, Phase
from phasegate.domain.quantities import format_rate
from phasegate.domain.sources import Compared, Invocations, differences
from phasegate.domain.verdict import Finding, Reason

SECOND = timedelta(seconds=1)
LONGEST = timedelta(hours=1)


async def cross_check(outside: Outside, state: ReleaseState, phase: Phase) -> ReleaseState:
    """
    Compare both sources over what the first has counted; judge harm alone over what it has not.

    A difference is noted and told. While telemetry is away, invocations that fail beyond a
    limit of *phase* take the release back; their absence proves nothing. A second source that
    is away is told once.
    """
    rule, second = state.plan.telemetry.cross_check, outside.second
    soak, canary = state.soaks.get(phase.name), state.canary
    if rule is None or second is None or soak is None or canary is None or state.aborting:
        return state
    since = floor(soak.since, SECOND) + (phase.soak.warmup if phase.soak else timedelta(0)) + SECOND
    until = floor(outside.clock.now() - rule.settle, SECOND)
    counted = await stored_until(outside, state, worker=state.service) or since
    try:
        await _compare(outside, state, phase, rule, max(since, until - LONGEST), min(until, counted))
        return await _accuse(outside, state, phase, max(since, counted, until - LONGEST), until)
    except MetricsAway as away:
        return await _tell_away(outside, state, str(away))


async def _tell_away(outside: Outside, state: ReleaseState, why: str) -> ReleaseState:
    """Once for each release: a comparison that never happens must not look like one that agrees."""
    return await tell(
        outside,
        state.release,
        level=Level.INFO,
        subject=f"{state.release}: the second source of metrics does not answer",
        text=f"Nothing is compared while this lasts: {why}. Next: `phasegate doctor` shows why.",
        once="second-source-away",
    )


async def _compare(
    outside: Outside, state: ReleaseState, phase: Phase, rule: CrossCheck, since: datetime, until: datetime
) -> None:
    minutes = await _minutes(outside, state, since, until)
    if not minutes or outside.second is None:
        return
    since, until = minutes[0].start, minutes[-1].end
    found, query = await outside.second.count(state.service, since=since, until=until)
    rows = tuple(_row(version, minutes, found) for version in _versions(state))
    said = differences(rows, rule, labels=_labels(state))
    event = CrossChecked(phase=phase.name, since=since, until=until, rows=rows, differences=said, query=query)
    await outside.journal.record(state.release, lambda s: _news(s, event, rule))
    if said:
        await _tell(outside, state, phase, said)


async def _minutes(
    outside: Outside, state: ReleaseState, since: datetime, until: datetime
) -> tuple[Minute, ...]:
    """Intervals within the time; both ends are whole seconds, because the second source counts those."""
    stored = await outside.journal.ledger.minutes(state.release, state.service, after=since - SECOND)
    return tuple(
        minute
        for minute in stored
        if minute.start >= since and minute.end <= until and not minute.length % SECOND
    )


def _versions(state: ReleaseState) -> tuple[str, ...]:
    names = [share.version for share in state.live.split.shares if share.weight > 0]
    return tuple(names)


def _labels(state: ReleaseState) -> dict[str, str]:
    known = (state.known_good, *([state.canary] if state.canary else []))
    return {version.id: version.label for version in known}


def _row(version: str, minutes: tuple[Minute, ...], found: tuple[Invocations, ...]) -> Compared:
    """The stored counts are rows; times their sampling they are requests, as the second source counts them,
    ours among them."""
    own = [(minute.sampling, count) for minute in minutes for count in minute.own if count.version == version]
    nothing = Invocations(version=version, requests=0, errors=0)
    return Compared(
        version=version,
        requests=round(
            sum(minute.total(version) * minute.sampling for minute in minutes)
            + sum(sampling * count.total for sampling, count in own)
        ),
        errors=round(
            sum(minute.errors(version) * minute.sampling for minute in minutes)
            + sum(sampling * count.errors for sampling, count in own)
        ),
        second=next((each for each in found if each.version == version), nothing),
    )


def _news(state: ReleaseState, event: CrossChecked, rule: CrossCheck) -> Event | None:
    """The first comparison of a phase, a change, and otherwise one in ten: the ledger is no log."""
    known = state.cross_checked
    if state.ended is not None or state.watched is None or state.watched.name != event.phase:
        return None
    if known is None or known.phase != event.phase or len(known.differences) != len(event.differences):
        return event
    return event if event.until - known.until >= 10 * rule.every else None


async def _tell(outside: Outside, state: ReleaseState, phase: Phase, said: tuple[str, ...]) -> None:
    await tell(
        outside,
        state.release,
        level=Level.WARNING,
        subject=f"{state.release}: two sources of metrics disagree",
        text=f"{phase.title}: {'; '.join(said)}. Next: find out which is right before a gate is answered.",
        once=f"cross-check/{phase.name}",
    )


async def _accuse(
    outside: Outside, state: ReleaseState, phase: Phase, since: datetime, until: datetime
) -> ReleaseState:
    """What telemetry has not counted although it should have: the second source may show harm there."""
    if until - since < max(state.plan.interval, SECOND) or outside.second is None or state.canary is None:
        return await outside.journal.state(state.release)
    found, query = await outside.second.count(state.service, since=since, until=until)
    limits = tuple(rule.above for rule in phase.rollback if isinstance(rule, ErrorRateAbove))
    broken = accuse(
        found, limits, canary=state.canary.id, control=state.known_good.id, alpha=state.plan.alpha
    )
    if broken is None:
        return await outside.journal.state(state.release)
    reason = _reason(*broken, since=since, until=until, query=query)

    def breach(now: ReleaseState) -> Event | None:
        # Another phase may have begun meanwhile: it is the same candidate that does the harm.
        return Breached(phase=phase.name, because=(reason,)) if now.retractable else None

    return await outside.journal.record(state.release, breach)


def _reason(limit: float, seen: Invocations, *, since: datetime, until: datetime, query: str) -> Reason:
    share = seen.errors / seen.requests
    return Reason(
        criterion="error-rate",
        finding=Finding.HARMFUL,
        rule="second-source",
        text=f"telemetry is away, and {seen.errors:,} of {seen.requests:,} invocations of the canary failed "
        f"({format_rate(share)}, limit {format_rate(limit)}) as the second source counts",
        value=format_rate(share),
        threshold=f"> {format_rate(limit)}",
        baseline="the control does not break the limit in the same time",
        bad=seen.errors,
        total=seen.requests,
        since=since,
        until=until,
        query=query,
    )
