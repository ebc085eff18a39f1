"""Before the first production traffic: can the release be taken back, and who answers for it if not?"""

from prefect import flow

from phasegate.domain.steps import Next, Step
from tasks.preflight import look_back
from tasks.record import read_release


@flow(name="preflight", flow_run_name="preflight of {release}", validate_parameters=False)
async def preflight(release: str, phase: str) -> Step:
    """
    Examine the way back to the known-good version before *phase* moves production traffic.

    Called again after each wait. Returns *done* when the release may go on, else the
    question that a named person has to answer, or abort.
    """
    return await look_back(release, phase)


async def way_back(release: str, phase: str) -> Step:
    """Call the preflight where it is still to be done; a repeated entry does not start it again."""
    state = await read_release(release)
    known = state.examined is not None and (state.examined.free or state.way_back_accepted)
    if known or state.was_exposed:
        return Step(next=Next.DONE, because="the way back is known")
    return await preflight(release, phase)
