"""Make the candidate exist where a phase needs it."""

import asyncio

from phasegate.actions.deploying import stage, upload
from phasegate.domain.bundle import Bundle
from phasegate.domain.errors import BundleError
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Environment
from phasegate.settings import Settings
from phasegate.wiring import read_bundle, shared
from tasks.step import step


@step(name="deploy-{phase}")
async def deploy(release: str, phase: str) -> str:
    """
    Upload the candidate to the phase's environment; in staging it also gets the whole traffic.

    Returns the version's id. Raises BundleError when the bundle's bytes are not
    those the release was opened with.
    """
    outside = await shared()
    state = await outside.journal.state(release)
    environment = state.plan.phase(phase).environment
    if environment not in state.uploaded:
        bundle = await asyncio.to_thread(candidate_bundle, state)
        state = await upload(outside, release, environment=environment, bundle=bundle)
    if environment is Environment.STAGING:
        state = await stage(outside, release)
    return state.uploaded[environment].id


def candidate_bundle(state: ReleaseState) -> Bundle | None:
    candidate = state.opened.candidate
    if not candidate.bundle:
        return None
    bundle = read_bundle(Settings(), candidate.bundle)
    if bundle.digest != candidate.digest:
        raise BundleError(
            f"{candidate.bundle}: the bundle has changed since the release was opened "
            f"(sha256 {bundle.digest[:12]}… instead of {candidate.digest[:12]}…); start a new release"
        )
    return bundle
