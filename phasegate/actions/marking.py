"""Keep our own requests out of what users are judged by, and compare what was counted of them twice."""

import asyncio
from collections.abc import Sequence

from phasegate.actions.outside import Outside
from phasegate.actions.telling import tell
from phasegate.domain.criteria import Level
from phasegate.domain.errors import MetricsAway
from phasegate.domain.events import Event, SyntheticChecked
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.observation import Minute, Probe
from phasegate.domain.plan import Phase
from phasegate.domain.sources import Compared, Invocations, synthetic_differences
from phasegate.domain.synthetic import apart, synthetic_in, withheld
from phasegate.domain.versions import Version


def synthetic_name(service: str) -> str:
    """Under which name the ledger keeps the intervals of synthetic requests to *service*."""
    return f"{service} by synthetic requests"


async def synthetic_minutes(outside: Outside, state: ReleaseState) -> tuple[Minute, ...]:
    """Every stored interval of synthetic requests; nothing is read where the plan sends none."""
    if not sends(state):
        return ()
    return await outside.journal.ledger.minutes(state.release, synthetic_name(state.service))


def sends(state: ReleaseState) -> bool:
    """Whether any phase of the plan may send synthetic requests."""
    return any(synthetic_in(state.plan, phase) for phase in state.plan.phases)


async def without_own(
    outside: Outside, state: ReleaseState, minutes: tuple[Minute, ...]
) -> tuple[Minute, ...]:
    """
    Production's *minutes* without our own requests (health checks too), in plans that send synthetic ones.

    Where some were sent and the source recognises none, nobody is judged by the interval. When the
    source goes away half-way, the intervals before the gap are returned. Raises MetricsAway.
    """
    if not minutes or outside.marked is None or not sends(state):
        return minutes
    since = minutes[0].start - 2 * state.plan.interval
    ledger, name = outside.journal.ledger, synthetic_name(state.service)
    sent = {minute.start: minute for minute in await ledger.minutes(state.release, name, after=since)}
    probes = await ledger.probes(state.release, after=since)
    # Once they are being sent, what is still under way is in no store yet.
    phase = state.watched.name if state.watched else state.phase
    sending = state.synthetic is not None and state.synthetic.phase == phase
    asked = (sending or minute.start in sent or _near(minute, probes) for minute in minutes)
    owns = await asyncio.gather(*(_own(outside, state, *each) for each in zip(minutes, asked, strict=True)))
    told: list[Minute] = []
    for minute, own in zip(minutes, owns, strict=True):
        if own is None:
            break
        lost = minute.start in sent and _answered(sent[minute.start]) > 0 and not own.counts
        told.append(withheld(minute) if lost else apart(minute, own))
    if not told:
        raise MetricsAway("the source does not say which requests are our own")
    return tuple(told)


def _near(minute: Minute, probes: Sequence[Probe]) -> bool:
    """Whether a health check may lie in *minute* by the platform's clock."""
    slack = minute.length / 10
    return any(minute.start - probe.elapsed - slack < probe.at < minute.end + slack for probe in probes)


async def _own(outside: Outside, state: ReleaseState, minute: Minute, asked: bool) -> Minute | None:
    """What is ours in *minute*, nothing unless *asked*; None when the source is away."""
    if outside.marked is None or not asked:
        return Minute(start=minute.start, length=minute.length)
    service, cuts = state.service, state.plan.counted
    try:
        return await outside.marked.marked(service, since=minute.start, until=minute.end, cuts=cuts)
    except MetricsAway:
        return None


def unrecognised(sent: Sequence[Minute], seen: Sequence[Minute]) -> bool:
    """Whether the source counted an interval with synthetic requests in it and recognised none of them."""
    own = {minute.start: minute.own for minute in seen}
    return any(own.get(minute.start) == () and _answered(minute) > 0 for minute in sent)


def _answered(sent: Minute) -> int:
    """What never arrived is in no source."""
    return sum(count.total for count in sent.own)


async def compare_own(outside: Outside, state: ReleaseState, phase: Phase) -> ReleaseState:
    """
    Compare what telemetry counted of our own requests with what their sender saw, interval by interval.

    A difference is noted and told, once for each phase; that both agree is noted once as well.
    """
    soak, sending = state.soaks.get(phase.name), state.synthetic
    if soak is None or state.aborting or sending is None or sending.phase != phase.name:
        return state
    seen = await outside.journal.ledger.minutes(state.release, state.service, after=soak.since)
    counted = {minute.start: minute for minute in seen if minute.own}
    sent = [m for m in await synthetic_minutes(outside, state) if m.start in counted]
    if not sent:
        return state
    both = [(counted[minute.start], minute) for minute in sent]
    probes = await outside.journal.ledger.probes(state.release, after=sent[0].start - state.plan.interval)
    versions = ((state.canary, probes), (state.known_good, ()))
    rows = tuple(_row(version, both, asked) for version, asked in versions if version)
    labels = {version.id: version.label for version, _ in versions if version}
    said = synthetic_differences(rows, labels=labels)
    event = SyntheticChecked(
        phase=phase.name, since=sent[0].start, until=sent[-1].end, rows=rows, differences=said
    )
    state = await outside.journal.record(state.release, lambda s: _news(s, event))
    return await _tell(outside, state, phase, said) if said else state


def _row(version: Version, both: Sequence[tuple[Minute, Minute]], probes: Sequence[Probe]) -> Compared:
    """Health checks carry the same mark as synthetic requests, so they are counted on both sides."""
    mine = [probe for probe in probes if any(sent.start <= probe.at < sent.end for _, sent in both)]
    own = [(seen.sampling, c) for seen, _ in both for c in seen.own if c.version == version.id]
    answered = [c.total for _, sent in both for c in sent.own if c.version == version.id]
    asked = Invocations(
        version=version.id,
        requests=sum(answered) + sum(probe.status is not None for probe in mine),
        errors=sum(sent.errors(version.id) for _, sent in both) + sum(not probe.ok for probe in mine),
        sampling=max(seen.sampling for seen, _ in both),
    )
    return Compared(
        version=version.id,
        requests=round(sum(sampling * count.total for sampling, count in own)),
        errors=round(sum(sampling * count.errors for sampling, count in own)),
        second=asked,
    )


def _news(state: ReleaseState, event: SyntheticChecked) -> Event | None:
    """The first comparison of a phase and a change: the ledger is no log."""
    known = state.synthetic_checked
    if state.ended is not None or state.phase != event.phase:
        return None
    same = known and known.phase == event.phase and len(known.differences) == len(event.differences)
    return None if same else event


async def _tell(outside: Outside, state: ReleaseState, phase: Phase, said: tuple[str, ...]) -> ReleaseState:
    return await tell(
        outside,
        state.release,
        level=Level.WARNING,
        subject=f"{state.release}: telemetry and synthetic requests disagree",
        text=f"{phase.title}: {'; '.join(said)}. Next: find out which is right before a gate is answered.",
        once=f"synthetic-check/{phase.name}",
    )
