"""Before production traffic moves: is there a way back, and if not, does somebody answer for going on?"""

from phasegate.actions.gates import put
from phasegate.actions.opening import known_good
from phasegate.actions.outside import Outside
from phasegate.domain.bundle import Bundle
from phasegate.domain.errors import Refused
from phasegate.domain.events import Event, Examined
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Environment, Gate, Phase
from phasegate.domain.standing import Obstacle
from phasegate.domain.versions import Version

GATE = "way-back"
QUESTION = "This release cannot be taken back freely. Go on anyway?"


async def look_back(
    outside: Outside, service: str, *, candidate: Bundle | str
) -> tuple[Version, tuple[Obstacle, ...]]:
    """The version that serves *service* and what may keep it from being brought back. Raises Refused."""
    live = await outside.target.live(service)
    if live is None:
        raise Refused(f"there is no Worker {service!r}; there is nothing to bring back")
    good = await known_good(outside, service, live)
    return good, await outside.target.obstacles(service, good.id, candidate=candidate)


async def examine(outside: Outside, release: str, phase: Phase, *, bundle: Bundle | None) -> ReleaseState:
    """
    Examine once, before the first phase in production, whether the known-good version can come back.

    What stands in the way is noted and asked about; the release goes on only when a
    named person of the phase's hold roles says so. Raises TargetAway.
    """
    state = await outside.journal.state(release)
    if phase.environment is not Environment.PRODUCTION or state.aborting or state.was_exposed:
        return state
    if state.examined is None:
        state = await _examine(outside, state, phase, bundle)
    if not state.examined or state.examined.free or state.way_back_accepted:
        return state
    return await put(outside, release, phase, gate=_gate(phase), evidence=_evidence(state), way_back=True)


async def _examine(
    outside: Outside, state: ReleaseState, phase: Phase, bundle: Bundle | None
) -> ReleaseState:
    candidate = bundle or state.opened.candidate.version
    found = await outside.target.obstacles(state.service, state.known_good.id, candidate=candidate)

    def once(now: ReleaseState) -> Event | None:
        over = now.examined is not None or now.ended is not None
        return None if over else Examined(phase=phase.name, obstacles=found)

    return await outside.journal.record(state.release, once)


def _gate(phase: Phase) -> Gate:
    """Who may answer, and for how long, is what the phase says about thin evidence."""
    return phase.hold.model_copy(update={"name": GATE, "question": QUESTION})


def _evidence(state: ReleaseState) -> str:
    found = state.examined.obstacles if state.examined else ()
    lines = "\n".join(f"- **{obstacle.hurdle}**: {obstacle.text}" for obstacle in found)
    good = state.known_good.label
    return (
        f"**{QUESTION}** If {state.opened.candidate.tag or 'the candidate'} does harm, {good} is to be "
        f"brought back to {state.service}. What may stand in the way:\n\n{lines}\n\n"
        "- **approve**: production traffic moves; you answer for it\n"
        f"- **reject**, or silence: the release ends, production stays with {good}"
    )
