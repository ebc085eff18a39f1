"""Bring the known-good version back, prove it, and watch recovery."""

from datetime import timedelta

from prefect import get_run_logger

from phasegate.actions.advancing import call_off
from phasegate.actions.rollback import note_recovery, verify, watch_recovery
from phasegate.actions.rollback import restore as bring_back
from phasegate.domain.errors import Away, Superseded
from phasegate.domain.recovery import Recovery
from phasegate.wiring import shared
from tasks.step import step

VERIFY_TRIES = 20
RESTORE_TRIES = 100


@step()
async def call_back(release: str, *, by: str, reason: str) -> str:
    """Note that the release is to be taken back; returns the reason that stands."""
    outside = await shared()
    state = await call_off(outside, release, by=by, reason=reason)
    return state.why_abort


@step()
async def restore(release: str) -> str:
    """Set the known-good version to 100 %, unless the keeper did; returns its label. Tries for minutes."""
    outside = await shared()
    for attempt in range(RESTORE_TRIES):
        try:
            return (await bring_back(outside, release)).known_good.label
        except (Away, Superseded) as trouble:
            if attempt == RESTORE_TRIES - 1:
                raise
            get_run_logger().warning("not restored yet, trying again: %s", trouble)
        await outside.clock.sleep(timedelta(seconds=3))
    raise AssertionError("unreachable")


@step()
async def verify_restored(release: str) -> bool:
    """Check health and version through the front door until they are right, or tries run out."""
    outside = await shared()
    for _ in range(VERIFY_TRIES):
        state = await verify(outside, release)
        if state.verified and state.verified.ok:
            return True
        await outside.clock.sleep(min(state.plan.tick, timedelta(seconds=5)))
    return False


@step()
async def watch_until_recovered(release: str) -> Recovery:
    """Look at the known-good version until it has recovered, or the plan's limit is over."""
    outside = await shared()
    state = await outside.journal.state(release)
    seen = Recovery(recovered=None, detail="not looked at yet")
    deadline = outside.clock.now() + state.plan.recovery.limit + state.plan.telemetry.settle
    while seen.recovered is None and outside.clock.now() < deadline:
        try:
            seen = await watch_recovery(outside, release)
        except Away as away:
            seen = Recovery(recovered=None, detail=str(away))
        if seen.recovered is None:
            await outside.clock.sleep(state.plan.tick)
    await note_recovery(outside, release, seen)
    return seen
