"""Wait until the observed share of the traffic follows the configured one."""

from datetime import timedelta

from phasegate.actions.collecting import collect
from phasegate.actions.outside import Outside
from phasegate.actions.sharing import note_share
from phasegate.domain.errors import MetricsAway
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Phase
from phasegate.wiring import shared
from tasks.step import step

IN_PLACE = timedelta(seconds=30)


@step(name="observe-{phase}")
async def observe(release: str, phase: str) -> bool:
    """
    Watch the share for at most half a minute; True once it follows.

    When it does not, the keeper goes on watching it and the phase is not passed.
    """
    outside = await shared()
    state = await outside.journal.state(release)
    rule = state.plan.phase(phase)
    deadline = outside.clock.now() + min(IN_PLACE, state.plan.telemetry.share_limit)
    while phase not in state.followed and not state.aborting and outside.clock.now() < deadline:
        await outside.clock.sleep(min(state.plan.interval, timedelta(seconds=1)))
        state = await _look(outside, state, rule)
    return phase in state.followed


async def _look(outside: Outside, state: ReleaseState, phase: Phase) -> ReleaseState:
    try:
        await collect(outside, state)
    except MetricsAway:
        return await outside.journal.state(state.release)
    return await note_share(outside, state.release, phase)
