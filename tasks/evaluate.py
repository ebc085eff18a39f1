"""Judge what was observed and say what comes next."""

from phasegate.actions.advancing import end_phase, extend, judge_phase, waiting
from phasegate.actions.gates import ask, close_question
from phasegate.actions.judging import Judging
from phasegate.actions.outside import Outside
from phasegate.domain.decision import Action, Decision
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Gate, Phase
from phasegate.domain.steps import Next, Step
from phasegate.report.evidence import verdict_markdown
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
    # The keeper lets questions expire; a release that nobody watches must not wait for ever.
    state = await close_question(outside, release)
    rule = state.plan.phase(phase)
    step = waiting(state, rule, now=outside.clock.now())
    if step is not None:
        return step
    decision = await judge_phase(outside, release, rule, Judging())
    if decision is not None:
        await _follow(outside, release, rule, decision)
    state = await outside.journal.state(release)
    step = waiting(state, rule, now=outside.clock.now())
    return step or Step(
        next=Next.SOAK, because="the ledger moved on; looking again", until=outside.clock.now()
    )


async def _follow(outside: Outside, release: str, phase: Phase, decision: Decision) -> None:
    state = await outside.journal.state(release)
    await show_verdict(outside, state)
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
    evidence = verdict_markdown(state, state.verdict, minutes)
    await ask(outside, state.release, phase, gate=gate, hold=hold, evidence=evidence)
