"""
Care for the run that drives a release: wake it, have the release taken up again, or end it.

The orchestrator is an outside system that may be away; nothing here protects
production, so nothing here may stop what does.
"""

from datetime import datetime, timedelta

from phasegate.actions.advancing import call_off, waiting
from phasegate.actions.gates import fallen
from phasegate.actions.living import silent
from phasegate.actions.outside import Outside
from phasegate.domain.errors import CallAPerson
from phasegate.domain.events import Driven, Event
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import OnLost
from phasegate.domain.steps import Next
from phasegate.keeper.standing import how_it_stands, taken_back
from phasegate.ports import RunStatus

GRACE = timedelta(seconds=20)
UNDRIVEN = timedelta(minutes=1)
STUCK = timedelta(minutes=15)
TRIES = 5


async def care_for_run(outside: Outside, state: ReleaseState) -> None:
    """
    Compare the run with what the release needs now.

    Cancelled: the release is called off. Lost: taken up again or rolled back, as
    the plan says; so is one whose signs of life have stopped, whatever the orchestrator believes.
    Suspended although something is due: woken. Over although the release is not: the rollback
    flow finishes what is left, unless a refusal or a foreign split stands in its way. Without
    a run, or with one that has done nothing for too long: as if it were lost. Raises RunsAway,
    and CallAPerson when run after run dies in a rollback.
    """
    if not state.run:
        # The run that opened it died before it could say that it drives it.
        if outside.clock.now() - state.opened_at > UNDRIVEN:
            await _replace(outside, state, RunStatus.LOST)
        return
    status = await outside.runs.status(state.run)
    if status is RunStatus.CANCELLED and not (state.aborting or state.promoted):
        await call_off(outside, state.release, by="orchestrator", reason="the run was cancelled")
        return
    if status is RunStatus.ACTIVE and await silent(outside, state.run):
        status = RunStatus.LOST
    if status in (RunStatus.SUSPENDED, RunStatus.ACTIVE):
        if _is_due(outside, state, status):
            await _wake_if_due(outside, await outside.journal.state(state.release), status)
        return
    await _replace(outside, state, status)


def _todo(state: ReleaseState) -> str:
    return "" if taken_back(state) or state.promoted else f"set {state.known_good.label} to 100 % by hand; "


def _is_due(outside: Outside, state: ReleaseState, status: RunStatus) -> bool:
    """Whether the run should be at work; one that is counts as due only when it may have to be woken."""
    phase, now = state.current, outside.clock.now()
    step = waiting(state, phase, now=now) if phase else None
    if step is not None and step.next in (Next.SOAK, Next.QUESTION):
        return False
    return status is not RunStatus.ACTIVE or state.aborting or now > _stuck_at(state)


async def _wake_if_due(outside: Outside, state: ReleaseState, status: RunStatus) -> None:
    """A paused run counts as active; it is woken only when its question does not stand any more."""
    if not _is_due(outside, state, status):
        return
    if status is RunStatus.ACTIVE and outside.clock.now() > _stuck_at(state):
        await _replace(outside, state, RunStatus.LOST)
        return
    await outside.runs.wake(state.run, answer=fallen(state))


def _stuck_at(state: ReleaseState) -> datetime:
    """When a run that should act is no longer believed to; its process may have died unseen."""
    work, phase = state.plan.recovery.limit if state.aborting else timedelta(0), state.current
    if state.stalled_since is not None:
        work += state.plan.outage.limit
    if phase is not None and phase.validation is not None:
        work += phase.validation.limit
    if phase is not None and phase.load is not None:
        work += 2 * phase.load.duration
    soak = state.soaks.get(state.phase)
    due = max(state.at, soak.until + state.plan.telemetry.settle) if soak else state.at
    return due + work + STUCK


async def _replace(outside: Outside, state: ReleaseState, status: RunStatus) -> None:
    if outside.clock.now() - state.at < GRACE and status is RunStatus.DONE:
        return
    if state.aborting and (state.refusal is not None or state.drift is not None):
        # A run would die of the same; the keeper goes on trying, or a person decides.
        return
    lost = status in (RunStatus.LOST, RunStatus.UNKNOWN, RunStatus.DONE)
    going_on = not (state.aborting or state.promoted)
    if lost and going_on and state.plan.on_lost_run is OnLost.ROLLBACK:
        await call_off(outside, state.release, by="keeper", reason="the run that drove the release was lost")
        return
    if state.drivers >= TRIES and going_on:
        reason = f"{state.drivers} runs in a row died without getting further"
        await call_off(outside, state.release, by="keeper", reason=reason)
        return
    if state.drivers >= TRIES:
        raise CallAPerson(
            f"{state.drivers} runs in a row died before {state.release} could be ended. "
            f"{how_it_stands(state)}. Next: {_todo(state)}read the worker's log; then start `rollback` "
            "for it, or `release` with its name when it was promoted"
        )
    if state.aborting:
        run = await outside.runs.roll_back(state.release, reason=state.why_abort, lost=state.run)
    else:
        run = await outside.runs.take_up(
            state.release,
            service=state.service,
            reason=state.opened.reason,
            requested_by=state.opened.requested_by,
            lost=state.run,
        )

    def driven(now: ReleaseState) -> Event | None:
        return None if now.run != state.run or now.ended else Driven(run=run)

    await outside.journal.record(state.release, driven)
