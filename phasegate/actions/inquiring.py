"""Ask people to look: as a soak begins, named roles hear what only they can see and how to say so."""

from datetime import datetime

from phasegate.actions.outside import Outside
from phasegate.actions.telling import deliver, notice_id, tell
from phasegate.domain.criteria import Level, Unreported
from phasegate.domain.decision import Action, Decision
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Phase
from phasegate.domain.verdict import Finding, Reason

# The deployment log is read with the release, the warning's channel is where people are.
LEVELS = (Level.WARNING, Level.INFO)


async def inquire(outside: Outside, release: str, phase: Phase) -> ReleaseState:
    """Tell once what people are to look at while *phase* soaks; silence until its end means: nothing seen."""
    state = await outside.journal.state(release)
    soak = state.soaks.get(phase.name)
    if soak is None or state.aborting or not _unreported(phase):
        return state
    for level in LEVELS:
        state = await tell(
            outside,
            release,
            level=level,
            subject=f"{release}: please watch {phase.title}",
            text=_words(state, phase, until=soak.until),
            once=_once(phase, level),
        )
    # At once, also where no keeper delivers: people need the soak's whole time to look.
    return state if _heard(state, phase) else await deliver(outside, release)


def _unreported(phase: Phase) -> tuple[Unreported, ...]:
    return tuple(rule for rule in phase.success if isinstance(rule, Unreported))


def _once(phase: Phase, level: Level) -> str:
    return f"watch/{phase.name}/{level}"


def _words(state: ReleaseState, phase: Phase, *, until: datetime) -> str:
    asked = "; ".join(f"{rule.text} ({', '.join(rule.asked)})" for rule in _unreported(phase))
    look = f" Worth a look: {'; '.join(phase.watch)}." if phase.watch else ""
    return (
        f"{state.service} gives {phase.weight:g} % of its requests to the new version until "
        f"{until:%Y-%m-%d %H:%M:%S} UTC. Asked: {asked}. If you see otherwise, take it back at once: "
        f"phasegate abort {state.release} --reason '...'. Silence means that nothing was seen.{look}"
    )


def unasked(state: ReleaseState, phase: Phase) -> Decision | None:
    """What follows when no channel has taken the request to look: a longer soak, else the phase's hold."""
    if not _unreported(phase) or _heard(state, phase):
        return None
    more = phase.soak is not None and state.soaks[phase.name].extended < phase.soak.extensions
    texts = "; ".join(rule.text for rule in _unreported(phase))
    reason = Reason(
        criterion="unreported",
        finding=Finding.INCONCLUSIVE,
        rule="asked-of-people",
        text=f"nobody could be asked to look ({texts}): no channel took the message",
    )
    return Decision(action=Action.EXTEND if more else Action.ASK, because=(reason,))


def _heard(state: ReleaseState, phase: Phase) -> bool:
    return any(notice_id(state.release, _once(phase, level)) in state.reached for level in LEVELS)
