"""Take a release back: as a subflow on a breach, or started by itself."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Failed
from pydantic import Field

from phasegate.domain.events import Outcome
from tasks.announce import announce
from tasks.living import living
from tasks.record import drive, finish, read_release
from tasks.restore import call_back, restore, verify_restored, watch_until_recovered


@flow(name="rollback", flow_run_name="rollback-{release}")
async def rollback(
    release: Annotated[str, Field(min_length=3)],
    reason: Annotated[str, Field(min_length=3)],
    requested_by: str = "phasegate",
) -> State:
    """
    Restore the known-good version, verify it, watch recovery and say how it went.

    The keeper may have restored it already; then that step only reads it back.

    Args:
        release: The release to take back, as the ledger names it.
        reason: Why; it is kept in the ledger and told to people.
        requested_by: Who wants it.
    """
    if (over := (await read_release(release)).ended) is not None:
        return Failed(name="Refused", message=f"{release} had ended already: {over.summary}")
    if flow_run.get_parent_flow_run_id() is not None:
        return await _take_back(release, reason, requested_by)
    run = str(flow_run.get_id())
    async with living(run):
        await drive(release, run)
        return await _take_back(release, reason, requested_by)


async def _take_back(release: str, reason: str, requested_by: str) -> State:
    why = await call_back(release, by=requested_by, reason=reason)
    label = await restore(release)
    if not (await read_release(release)).was_exposed:
        summary = f"Stopped before any production traffic: {why}."
        await finish(release, outcome=Outcome.REFUSED, summary=summary, level="warning")
        return Failed(name="RolledBack", message=summary)
    verified = await verify_restored(release)
    seen = await watch_until_recovered(release)
    if not (verified and seen.recovered):
        await announce(
            release,
            level="critical",
            subject=f"{release}: not recovered",
            text=f"{label} is back at 100 %, but: {seen.detail}. Next: a person looks at the service now.",
            once="not-recovered",
        )
    summary = f"Taken back to {label}: {why}. {seen.detail}."
    await finish(release, outcome=Outcome.ROLLED_BACK, summary=summary, level="warning")
    return Failed(name="RolledBack", message=summary)
