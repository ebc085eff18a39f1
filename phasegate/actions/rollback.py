"""Take a release back: restore, verify, watch recovery, close."""

from phasegate.actions.collecting import collect, probe_service
from phasegate.actions.outside import Outside
from phasegate.actions.telling import tell
from phasegate.actions.traffic import shift
from phasegate.domain.criteria import Level
from phasegate.domain.errors import MetricsAway, TargetAway, Unconfirmed
from phasegate.domain.events import Ended, Event, KnownGood, Outcome, Recovered, Verified
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.observation import Minute
from phasegate.domain.plan import Environment
from phasegate.domain.recovery import Recovery, recovery
from phasegate.domain.versions import Split

LOOKS = 20


async def restore(outside: Outside, release: str, *, again: bool = False) -> ReleaseState:
    """
    Bring the known-good version that the ledger names to 100 %; *again* also after it was back once.

    Raises Drift when a foreign split without the candidate is in force,
    CannotRestore when the platform refuses, TargetAway when it does not answer.
    """
    state = await outside.journal.state(release)
    if state.restored_at is not None and not state.exposed and not again:
        return state
    split = Split.whole(state.known_good.id)
    state = await shift(outside, release, split, because=f"take back: {state.why_abort}"[:900])
    if state.canary is not None and state.breached_at is not None:
        await _tell_restored(outside, state)
    return state


async def _tell_restored(outside: Outside, state: ReleaseState) -> None:
    label = state.canary.label if state.canary else "the candidate"
    text = (
        f"{label} was taken back: {state.why_abort}. "
        f"{state.known_good.label} serves 100 % of {state.service} again. "
        "Next: recovery is watched; look at the report, fix, and start a new release."
    )
    await tell(
        outside,
        state.release,
        level=Level.CRITICAL,
        subject=f"{state.release} rolled back",
        text=text,
        once="restored",
    )


async def verify(outside: Outside, release: str) -> ReleaseState:
    """Ask the front door for health and version, as a user reaches it, and note what it said."""
    state = await outside.journal.state(release)
    if state.verified is not None and state.verified.ok:
        return state
    probe = await probe_service(outside, state, environment=Environment.PRODUCTION)
    wanted = state.known_good.tag
    right = not wanted or not probe.served_by or probe.served_by == wanted
    detail = "; ".join(probe.faults) or f"healthy in {probe.elapsed.total_seconds() * 1000:.0f} ms"
    if not right:
        detail += f"; answered by {probe.served_by}, expected {wanted}"
    event = Verified(ok=probe.ok and right, version=probe.served_by, detail=detail)
    known = (event.ok, event.version)
    return await outside.journal.record(
        release, lambda s: None if s.verified and (s.verified.ok, s.verified.version) == known else event
    )


async def watch_recovery(outside: Outside, release: str) -> Recovery:
    """One look at the known-good version: recovered, not recovered, or to be watched on."""
    state = await outside.journal.state(release)
    if state.restored_at is None:
        raise Unconfirmed(
            f"{release}: the known-good version is not back yet; restore it before watching recovery"
        )
    minutes = await _newest(outside, state)
    probe = await probe_service(outside, state, environment=Environment.PRODUCTION)
    return recovery(
        state.plan,
        state.known_good,
        minutes=minutes,
        probe=probe,
        restored_at=state.restored_at,
        now=outside.clock.now(),
    )


async def _newest(outside: Outside, state: ReleaseState) -> tuple[Minute, ...]:
    try:
        await collect(outside, state)
    except MetricsAway:
        return ()
    return await outside.journal.ledger.minutes(state.release, state.service, after=state.restored_at)


async def note_recovery(outside: Outside, release: str, seen: Recovery) -> ReleaseState:
    """Write down how the recovery went, once."""
    event = Recovered(recovered=bool(seen.recovered), detail=seen.detail)
    return await outside.journal.record(release, lambda s: None if s.recovered else event)


async def close(outside: Outside, release: str, *, outcome: Outcome, summary: str) -> ReleaseState:
    """
    End the release; a promoted candidate becomes known good in the event before.

    One that is taken back ends on a look at the platform: nobody watches it afterwards.
    Raises what `restore` does.
    """
    if outcome is not Outcome.PROMOTED:
        await _still_back(outside, release)
    if outcome is Outcome.PROMOTED:
        await outside.journal.record(release, _promoted)

    def end(state: ReleaseState) -> Event | None:
        if state.ended is not None or (outcome is Outcome.PROMOTED and state.aborting):
            return None
        return Ended(outcome=outcome, summary=summary)

    return await outside.journal.record(release, end)


async def _still_back(outside: Outside, release: str) -> None:
    """A late write, or a person, may have given the candidate traffic again while recovery was watched."""
    state = await outside.journal.state(release)
    for _ in range(LOOKS):
        try:
            live = await outside.target.live(state.service)
            break
        except TargetAway:
            await outside.clock.sleep(state.plan.tick)
    else:
        live = await outside.target.live(state.service)
    if state.ended is None and state.canary and live and live.split.weight(state.canary.id) > 0:
        await restore(outside, release, again=True)


def _promoted(state: ReleaseState) -> Event | None:
    done = state.canary is None or state.known_good == state.canary
    return None if done or state.aborting or state.canary is None else KnownGood(version=state.canary)
