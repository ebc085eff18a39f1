"""What is written down at the joints of a release, and shown in the Prefect UI."""

import asyncio

from prefect import get_run_logger

from phasegate.actions.guarding import guard as guard_release
from phasegate.actions.opening import bundle_candidate, find_candidate
from phasegate.actions.opening import open_release as open_in_ledger
from phasegate.actions.outside import Outside
from phasegate.actions.rollback import close
from phasegate.actions.telling import deliver, tell
from phasegate.actions.turns import read_turn
from phasegate.domain.criteria import Level
from phasegate.domain.errors import FixTheInput, RunsAway
from phasegate.domain.events import Candidate, Driven, Event, Outcome, PhaseBegan
from phasegate.domain.ledger import ReleaseState
from phasegate.report.evidence import checklist_markdown, progress_markdown, verdict_markdown
from phasegate.settings import Settings
from phasegate.wiring import read_bundle, read_plan, settle_bundle, shared
from tasks.step import step


async def open_release(
    release: str,
    *,
    service: str,
    plan: str,
    bundle: str,
    version: str,
    reason: str,
    requested_by: str,
    break_glass: str = "",
    supersede: str = "",
    queue: str = "",
) -> ReleaseState:
    """
    Open the release, or read it again when this run, or one before it, has opened it.

    *supersede* and *queue* as `turns.read_turn` takes them.

    Raises PlanError, BundleError or Refused; nothing was done then.
    """
    outside = await shared()
    if await outside.journal.exists(release):
        return await outside.journal.state(release)
    settings, turn = Settings(), read_turn(supersede=supersede, queue=queue)
    rollout = await asyncio.to_thread(read_plan, settings, plan)
    return await open_in_ledger(
        outside,
        release,
        service=service,
        plan=rollout,
        candidate=await _candidate(outside, settings, service=service, bundle=bundle, version=version),
        reason=reason,
        requested_by=requested_by,
        break_glass=break_glass,
        turn=turn,
    )


async def _candidate(
    outside: Outside, settings: Settings, *, service: str, bundle: str, version: str
) -> Candidate:
    if bool(bundle) == bool(version):
        raise FixTheInput("give either a bundle or a version, not both and not neither")
    if version:
        return await find_candidate(outside, service, version=version)
    bundle = await settle_bundle(settings, bundle)
    return bundle_candidate(bundle, await asyncio.to_thread(read_bundle, settings, bundle))


@step()
async def read_release(release: str) -> ReleaseState:
    """Where the release is now."""
    outside = await shared()
    return await outside.journal.state(release)


@step()
async def drive(release: str, run: str) -> ReleaseState:
    """Note that *run* drives the release from now on."""
    outside = await shared()

    def driven(state: ReleaseState) -> Event | None:
        return None if state.run == run or state.ended else Driven(run=run)

    return await outside.journal.record(release, driven)


@step(name="begin-{phase}")
async def begin(release: str, phase: str) -> bool:
    """Note that the phase begins; False when the release is being taken back or the phase is over."""
    outside = await shared()

    def began(state: ReleaseState) -> Event | None:
        over = state.aborting or state.ended or state.phase == phase or phase in state.ended_phases
        return None if over else PhaseBegan(phase=phase)

    state = await outside.journal.record(release, began)
    await show_progress(outside, state)
    return not state.aborting and state.ended is None and phase not in state.ended_phases


@step()
async def guard(release: str, *, unguarded: str) -> None:
    """Raise Refused while no keeper lives, unless *unguarded* says why that is all right."""
    await guard_release(await shared(), release, unguarded=unguarded)


@step()
async def finish(release: str, *, outcome: Outcome, summary: str, level: str) -> ReleaseState:
    """End the release and tell people how."""
    outside = await shared()
    state = await close(outside, release, outcome=outcome, summary=summary)
    if state.ended is not None:
        subject = f"{release} {state.ended.outcome}"
        await tell(
            outside, release, level=Level(level), subject=subject, text=state.ended.summary, once="ended"
        )
        await deliver(outside, release)
    state = await outside.journal.state(release)
    await show_progress(outside, state)
    return state


async def show_progress(outside: Outside, state: ReleaseState) -> None:
    """Publish progress and checklist; a picture that cannot be shown stops nothing."""
    await _publish(outside, state, "progress", progress_markdown(state, outside.clock.now()))
    for name, results in state.checks.items():
        phase = state.plan.phase(name)
        items = (*state.plan.preflight, *phase.checklist)
        await _publish(outside, state, f"checklist-{name}", checklist_markdown(items, results))


async def show_verdict(outside: Outside, state: ReleaseState) -> None:
    """Publish the newest verdict with its table and picture."""
    minutes = await outside.journal.ledger.minutes(state.release, state.service)
    await _publish(outside, state, f"verdict-{state.phase}", verdict_markdown(state, state.verdict, minutes))


async def _publish(outside: Outside, state: ReleaseState, key: str, markdown: str) -> None:
    try:
        await outside.runs.publish(state.run, key=f"{state.release}-{key}".lower(), markdown=markdown)
    except RunsAway as away:
        get_run_logger().warning("artifact %s could not be shown: %s", key, away)
