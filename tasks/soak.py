"""Begin to watch a phase."""

from datetime import datetime

from phasegate.actions.advancing import begin_soak
from phasegate.wiring import shared
from tasks.step import step


@step(name="soak-{phase}")
async def soak(release: str, phase: str) -> datetime | None:
    """
    Note since when and until when the phase is watched; a soak that has begun is kept.

    Returns its end, or None when the release was called off.
    """
    outside = await shared()
    state = await outside.journal.state(release)
    rule = state.plan.phase(phase)
    if rule.soak is not None:
        now = outside.clock.now()
        state = await begin_soak(outside, release, rule, since=now, until=now + rule.soak.duration)
    return state.soaks[phase].until if phase in state.soaks else None
