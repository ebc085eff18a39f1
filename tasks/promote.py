"""Give the candidate the share of a phase."""

from phasegate.actions.deploying import promote as give_share
from phasegate.wiring import shared
from tasks.step import step


@step(name="thawed-{phase}")
async def thawed(release: str, phase: str) -> bool:
    """Whether the phase may give the candidate traffic now; False in a freeze, unless its soak has begun."""
    outside = await shared()
    state = await outside.journal.state(release)
    return phase in state.soaks or state.frozen(outside.clock.now()) is None


@step(name="promote-{phase}")
async def promote(release: str, phase: str) -> float:
    """
    Set the phase's weight in production; returns the weight now in force, in percent.

    Refused once the release is being taken back.
    """
    outside = await shared()
    state = await outside.journal.state(release)
    state = await give_share(outside, release, state.plan.phase(phase))
    return state.live.split.weight(state.canary.id) if state.canary else 0.0
