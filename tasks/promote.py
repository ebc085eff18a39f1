"""Give the candidate the share of a phase."""

from phasegate.actions.deploying import promote as give_share
from phasegate.wiring import shared
from tasks.step import step


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
