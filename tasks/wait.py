"""Wait for the next step: in place when it is short, suspended when it is long. One function, both ways."""

from datetime import datetime, timedelta
from typing import Any

from prefect import get_run_logger
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import apause_flow_run, asuspend_flow_run

from phasegate.actions.guarding import page_when_unguarded
from phasegate.actions.outside import Outside
from phasegate.actions.telling import deliver
from phasegate.domain.events import Asked
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.steps import Next, Step
from phasegate.settings import Settings
from phasegate.wiring import shared
from tasks.form import form_for
from tasks.gate import gate
from tasks.record import show_progress

LOOK = timedelta(milliseconds=500)
SHOW = timedelta(seconds=5)
BACKSTOP = timedelta(hours=1)


async def wait(release: str, step: Step) -> None:
    """
    Wait until the step is over or the release is called off.

    The setting ``wait_in_place`` says how long a wait may be to happen in place, where
    the ledger is read twice a second. Suspended, no process exists and the keeper wakes
    the run; only a parent flow may suspend itself.
    """
    outside = await shared()
    await page_when_unguarded(outside, release)
    await deliver(outside, release)
    if step.next is Next.QUESTION and step.question is not None:
        await _question(outside, release, step.question)
    elif step.until is not None:
        await _soak(outside, release, step.until, held=step.held)


async def _soak(outside: Outside, release: str, until: datetime, *, held: bool) -> None:
    if until - outside.clock.now() > Settings().wait_in_place:
        await asuspend_flow_run(key=f"soak-{outside.clock.now():%Y%m%d%H%M%S}", timeout=None)
        return
    shown = outside.clock.now()
    state = await outside.journal.state(release)
    while not _moved_on(state, until, held=held) and outside.clock.now() < until:
        await outside.clock.sleep(LOOK)
        state = await outside.journal.state(release)
        if outside.clock.now() - shown > SHOW:
            await show_progress(outside, state)
            await page_when_unguarded(outside, release)
            await deliver(outside, release)
            shown = outside.clock.now()


def _moved_on(state: ReleaseState, until: datetime, *, held: bool) -> bool:
    if state.aborting or state.ended is not None:
        return True
    if held:
        return state.drift is None
    soak = state.soaks.get(state.phase)
    return soak is not None and soak.until > until


async def _question(outside: Outside, release: str, question: Asked) -> None:
    state = await outside.journal.state(release)
    attempt = state.responses
    given = await _ask(outside, state, question)
    state = await outside.journal.state(release)
    if given is None or state.question is None or state.question.key != question.key:
        return
    words = await gate(
        release,
        key=question.key,
        attempt=attempt,
        decision=given.decision,
        approver=given.approver,
        role=given.role,
        reason=given.reason,
        digest=question.digest,
    )
    get_run_logger().info(words)


async def _ask(outside: Outside, state: ReleaseState, question: Asked) -> Any:
    """
    Show the form and wait for it; None when time ran out.

    The key names question and attempt: a re-entered run gets the stored answer, and
    every answer that was weighed makes a fresh form, also one that was refused.
    """
    left = question.expires_at - outside.clock.now()
    asking: dict[str, Any] = {
        "wait_for_input": form_for(question).with_initial_data(description=question.evidence),
        "key": f"{question.key}-{state.responses}",
    }
    if left > Settings().wait_in_place:
        return await asuspend_flow_run(timeout=int((left + BACKSTOP).total_seconds()), **asking)
    try:
        timeout = max(5, int(left.total_seconds()) + 10)
        return await apause_flow_run(timeout=timeout, poll_interval=1, **asking)
    except FlowPauseTimeout:
        return None
