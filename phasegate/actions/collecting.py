"""Bring the counts of a release into the ledger, each interval once."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from phasegate.actions.marking import without_own
from phasegate.actions.outside import Outside
from phasegate.actions.remembering import remember
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.observation import Batch, Minute, Probe
from phasegate.domain.plan import Environment
from phasegate.domain.versions import Version


@dataclass(frozen=True)
class Collected:
    """What the source said; *own* when everything in it was stored by this very call."""

    batch: Batch
    own: bool = True

    @property
    def minutes(self) -> tuple[Minute, ...]:
        """The intervals of the batch."""
        return self.batch.minutes


@dataclass(frozen=True)
class Probed:
    """Every health check stored since the one that was known, another driver's too; *whole* if it is sure."""

    probes: tuple[Probe, ...] = ()
    whole: bool = True


async def collect(
    outside: Outside, state: ReleaseState, *, known: datetime | None = None
) -> Collected | None:
    """
    Store every settled interval of production since traffic first moved.

    *known* is an end up to which intervals are stored for certain; None makes the ledger say it.
    None before the first traffic change. Raises MetricsAway.
    """
    if state.watching_since is None:
        return None
    return await _collect(outside, state, worker=state.service, begin=state.watching_since, known=known)


async def collect_staging(
    outside: Outside, state: ReleaseState, *, since: datetime, known: datetime | None = None
) -> Collected:
    """Store every settled interval of the staging Worker since the load test began. Raises MetricsAway."""
    return await _collect(outside, state, worker=staging_name(state.service), begin=since, known=known)


async def _collect(
    outside: Outside, state: ReleaseState, *, worker: str, begin: datetime, known: datetime | None
) -> Collected:
    plan, ledger, first = state.plan, outside.journal.ledger, floor(begin, state.plan.interval)
    stored = known or await stored_until(outside, state, worker=worker)
    batch = await outside.metrics.collect(
        worker,
        since=stored or first,
        now=outside.clock.now(),
        interval=plan.interval,
        settle=plan.telemetry.settle,
        cuts=plan.counted,
    )
    # History comes before the first interval or never: then every replay judges with the same. It is
    # asked for when the source has just answered, so that one that is away is not waited for twice.
    if stored is None and batch.minutes and worker == state.service:
        await remember(outside, state, before=first)
    if worker == state.service:
        batch = batch.model_copy(update={"minutes": await without_own(outside, state, batch.minutes)})
    if not batch.minutes:
        return Collected(batch)
    new = await ledger.add_minutes(state.release, worker, batch.minutes)
    return Collected(batch, own=new == len(batch.minutes))


async def stored_until(outside: Outside, state: ReleaseState, *, worker: str) -> datetime | None:
    """
    The end of the newest stored interval of *worker*; None when none is stored.

    It looks back a little first: reading a day of intervals at each tick would be dear.
    """
    ledger, interval, now = outside.journal.ledger, state.plan.interval, outside.clock.now()
    for back in (state.plan.telemetry.settle + 3 * interval, 100 * interval, None):
        after = now - back if back is not None else None
        if stored := await ledger.minutes(state.release, worker, after=after):
            return stored[-1].end
    return None


def floor(moment: datetime, interval: timedelta) -> datetime:
    """The start of the interval that *moment* lies in, counted from the epoch."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + ((moment - epoch) // interval) * interval


def staging_name(service: str) -> str:
    """The staging Worker's name: an environment is a Worker of its own, as on Cloudflare."""
    return f"{service}-staging"


async def probe_candidate(outside: Outside, state: ReleaseState, *, known: datetime | None = None) -> Probed:
    """
    Ask the candidate for its health through the front door, and store the answer.

    *known* is the time of the newest check that the caller knows. The override header
    reaches it at any weight, 0 included. An answer that names the known-good version proves
    nothing about the candidate and is dropped. Nothing is asked before the plan's
    ``health.every`` is over.
    """
    canary = state.canary
    if canary is None:
        return Probed()
    found, lately = await _asked(outside, state, state.service, known=known)
    if lately:
        return found
    overrides = f'{state.service}="{canary.id}"'
    probe = await outside.checks.health(
        outside.target.front_door(state.service), state.plan.health, overrides=overrides
    )
    if _stray(state, canary, probe.served_by):
        return found
    await outside.journal.ledger.add_probe(state.release, probe)
    return replace(found, probes=(*found.probes, probe))


def _stray(state: ReleaseState, canary: Version, said: str) -> bool:
    """
    Whether not the candidate has answered.

    A name that nobody knows is taken for the candidate's own: were it dropped, a sick one would
    never be seen. Beside a foreign split it may be that of the foreign version.
    """
    if not said or canary.named(said):
        return False
    return state.drift is not None or state.opened.known_good.named(said)


async def probe_staging(outside: Outside, state: ReleaseState, *, known: datetime | None = None) -> Probed:
    """Ask the staging Worker for its health, and store the answer unless another version gave it."""
    found, lately = await _asked(outside, state, staging_name(state.service), known=known)
    if lately:
        return found
    probe = await probe_service(outside, state, environment=Environment.STAGING)
    if probe.served_by and not state.uploaded[Environment.STAGING].named(probe.served_by):
        return found
    await outside.journal.ledger.add_probe(state.release, probe)
    return replace(found, probes=(*found.probes, probe))


def pause(state: ReleaseState) -> timedelta:
    """The plan's pace makes "3 in a row" a time; half a tick of slack keeps it from skipping a look."""
    return state.plan.health.every - state.plan.tick / 2


async def _asked(
    outside: Outside, state: ReleaseState, worker: str, *, known: datetime | None
) -> tuple[Probed, bool]:
    """What was asked since *known*, and whether lately: two keepers do not ask twice as often."""
    door, lately = outside.target.front_door(worker), outside.clock.now() - pause(state)
    after = min(known, lately) if known is not None else lately
    stored = await outside.journal.ledger.probes(state.release, after=after)
    own = tuple(probe for probe in stored if probe.url.startswith(f"{door}/"))
    new = tuple(probe for probe in own if known is None or probe.at > known)
    return Probed(new, whole=known is not None), any(probe.at > lately for probe in own)


async def probe_service(outside: Outside, state: ReleaseState, *, environment: Environment) -> Probe:
    """Ask whoever answers at the front door of one environment; nothing is stored."""
    worker = state.service if environment is Environment.PRODUCTION else staging_name(state.service)
    return await outside.checks.health(outside.target.front_door(worker), state.plan.health)
