"""Judge what was observed and say what comes next."""

from phasegate.actions.evaluating import evaluate as evaluate_phase
from phasegate.domain.steps import Step
from phasegate.wiring import shared
from tasks.record import show_verdict
from tasks.step import step


@step(name="evaluate-{phase}")
async def evaluate(release: str, phase: str) -> Step:
    """
    Do what is due in the phase and return the step that follows.

    While a soak runs or a question stands nothing is judged here: the keeper does.
    """
    outside = await shared()
    state = await outside.journal.state(release)
    following, judged = await evaluate_phase(outside, release, state.plan.phase(phase))
    if judged:
        await show_verdict(outside, await outside.journal.state(release))
    return following
