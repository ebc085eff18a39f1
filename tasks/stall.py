"""Say what follows when the work of a phase cannot be done at present."""

from phasegate.actions.stalling import stall as wait_or_give_up
from phasegate.domain.steps import Step
from phasegate.wiring import shared
from tasks.step import step


@step(name="stall-{phase}")
async def stall(release: str, phase: str, *, because: str) -> Step:
    """Another try after a pause, or the end of the release when the plan's patience is over."""
    return await wait_or_give_up(await shared(), release, phase, because=because)
