"""A release, from the first check to 100 %: the whole story on one screen."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from pydantic import Field

from flows.phase import run_phase
from flows.rollback import rollback
from phasegate.domain.errors import FixTheInput
from phasegate.domain.events import Outcome
from phasegate.domain.ledger import ReleaseState
from tasks.form import plan_choices
from tasks.living import living
from tasks.record import drive, finish, open_release, read_release
from tasks.wait import wait

Name = Annotated[str, Field(min_length=3, max_length=80)]


@flow(name="release", flow_run_name="{service}")
async def release(
    service: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")],
    reason: Annotated[str, Field(min_length=3, max_length=500)],
    requested_by: Name,
    plan: Annotated[str, Field(min_length=1, json_schema_extra={"enum": plan_choices()})] = "production",
    bundle: str = "",
    version: str = "",
    unguarded: str = "",
    break_glass: str = "",
    supersede: str = "",
    queue: str = "",
    release: str = "",
) -> State:
    """
    Release one version of one service, phase by phase, and take it back when it does harm.

    Args:
        service: The Worker to release, for example spring-rate-api.
        reason: Why this is released; it is kept in the ledger and shown to those who answer the gates.
        requested_by: Your name. You may not approve your own release.
        plan: The rollout plan: phases, weights, soaks, criteria, thresholds, gates.
        bundle: Path of a bundle, or of a Worker project to build. Leave empty to release an uploaded version.
        version: Id or tag of a version that is uploaded already. Leave empty to release a bundle.
        unguarded: Why no keeper needs to watch; it is logged and paged. Leave empty.
        break_glass: Why this cannot wait for the end of a freeze; it is logged and paged. Leave empty.
        supersede: Why another active release of the service is taken back for this one. Leave empty.
        queue: How long to wait until another active release has ended, for example 2h. Leave empty.
        release: A release to go on with, as the ledger names it. Leave empty to start one.
    """
    name = release or f"{service}-{str(flow_run.get_id())[:8]}"
    try:
        opened = await open_release(
            name,
            service=service,
            plan=plan,
            bundle=bundle,
            version=version,
            reason=reason,
            requested_by=requested_by,
            break_glass=break_glass,
            supersede=supersede,
            queue=queue,
        )
    except FixTheInput as refusal:
        return Failed(name="Refused", message=str(refusal))
    run = str(flow_run.get_id())
    async with living(run):
        return await _walk(await drive(opened.release, run), unguarded=unguarded)


async def _walk(release: ReleaseState, *, unguarded: str) -> State:
    if release.ended is not None:
        return _ending(release)
    for phase in release.left:
        while not (step := await run_phase(release.release, phase, unguarded=unguarded)).finished:
            await wait(release.release, step)
        if step.aborted:
            return await _taken_back(release.release, because=step.because)
    return await _promoted(release.release)


async def _promoted(release: str) -> State:
    """The last phase was passed; a breach in this very moment still wins."""
    state = await read_release(release)
    label = state.canary.label if state.canary else "the candidate"
    summary = f"{label} serves 100 % of {state.service}; every phase was passed."
    state = await finish(release, outcome=Outcome.PROMOTED, summary=summary, level="info")
    if state.ended is None:
        return await _taken_back(release, because=state.why_abort)
    return _ending(state)


async def _taken_back(release: str, *, because: str) -> State:
    """Nothing is taken back of a release that was ended meanwhile."""
    if (state := await read_release(release)).ended is not None:
        return _ending(state)
    await rollback(release, because, return_state=True)
    return _ending(await read_release(release))


def _ending(state: ReleaseState) -> State:
    if state.ended is None:
        return Failed(message=f"{state.release} could not be closed; the keeper goes on with it")
    if state.ended.outcome is Outcome.PROMOTED:
        return Completed(name="Promoted", message=state.ended.summary)
    abandoned = state.ended.outcome is Outcome.ABANDONED
    return Failed(name="Abandoned" if abandoned else "RolledBack", message=state.ended.summary)
