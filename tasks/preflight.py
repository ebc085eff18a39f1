"""Look for the way back before production traffic moves."""

import asyncio

from phasegate.actions.advancing import waiting
from phasegate.actions.preflight import examine
from phasegate.domain.steps import Next, Step
from phasegate.wiring import shared
from tasks.deploy import candidate_bundle
from tasks.step import step


@step(name="preflight-{phase}")
async def look_back(release: str, phase: str) -> Step:
    """
    Examine, once, whether the known-good version could come back; ask when it could not.

    Returns *done* when the phase may go on, else what it waits for.
    """
    outside = await shared()
    state = await outside.journal.state(release)
    bundle = None if state.examined else await asyncio.to_thread(candidate_bundle, state)
    rule = state.plan.phase(phase)
    state = await examine(outside, release, rule, bundle=bundle)
    following = waiting(state, rule, now=outside.clock.now())
    if following is not None and following.next in (Next.QUESTION, Next.ABORT):
        return following
    return Step(next=Next.DONE, because="the way back is known")
