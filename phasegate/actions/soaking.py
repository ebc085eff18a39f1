"""See to it that a candidate with traffic is watched, also when nobody was left to begin that."""

from phasegate.actions.advancing import begin_soak
from phasegate.actions.outside import Outside
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Phase


async def begin_overdue_soak(outside: Outside, state: ReleaseState) -> ReleaseState:
    """
    Begin the soak of a phase whose weight is live and whose run has not begun it.

    A run may die between the two, and the orchestrator that would replace it may be away.
    """
    phase = state.current
    if phase is None or phase.soak is None or phase.name in state.soaks or not _has_its_weight(state, phase):
        return state
    now = outside.clock.now()
    return await begin_soak(outside, state.release, phase, since=now, until=now + phase.soak.duration)


def _has_its_weight(state: ReleaseState, phase: Phase) -> bool:
    """Without doubt: no write is under way and nobody else has deployed."""
    if not phase.takes_traffic or state.canary is None or state.pending or state.drift:
        return False
    return abs(state.live.split.weight(state.canary.id) - phase.weight) <= 0.001
