"""What is due at the end of a wait: judge, and do what follows from the decision."""

from phasegate.actions.advancing import end_phase, extend, judge_phase, waiting
from phasegate.actions.gates import ask, close_question, grant_more_time
from phasegate.actions.judging import Judging
from phasegate.actions.outside import Outside
from phasegate.domain.decision import Action, Decision
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Gate, Phase
from phasegate.domain.steps import Next, Step


async def evaluate(outside: Outside, release: str, phase: Phase) -> tuple[Step, bool]:
    """
    Do what is due in *phase*: the step that follows, and whether production was judged.

    While a soak runs or a question stands nothing is judged here: the keeper does.
    """
    # The keeper lets questions expire; a release that nobody watches must not wait for ever.
    await close_question(outside, release)
    state = await grant_more_time(outside, release)
    step = waiting(state, phase, now=outside.clock.now())
    if step is not None:
        return step, False
    decision = await judge_phase(outside, release, phase, Judging())
    if decision is not None:
        await _follow(outside, release, phase, decision)
    state = await outside.journal.state(release)
    step = waiting(state, phase, now=outside.clock.now())
    again = Step(next=Next.SOAK, because="the ledger moved on; looking again", until=outside.clock.now())
    return step or again, decision is not None


async def _follow(outside: Outside, release: str, phase: Phase, decision: Decision) -> None:
    state = await outside.journal.state(release)
    if decision.action is Action.EXTEND:
        await extend(outside, release, phase, because=decision.because[0].text)
    elif decision.action is Action.ASK:
        await _ask(outside, state, phase, gate=phase.hold, hold=True)
    elif phase.gate is not None and phase.name not in state.gates_passed:
        await _ask(outside, state, phase, gate=phase.gate, hold=False)
    else:
        await end_phase(outside, release, phase)


async def _ask(outside: Outside, state: ReleaseState, phase: Phase, *, gate: Gate, hold: bool) -> None:
    minutes = await outside.journal.ledger.minutes(state.release, state.service)
    evidence = outside.pictures.verdict(state, minutes)
    await ask(outside, state.release, phase, gate=gate, hold=hold, evidence=evidence)
