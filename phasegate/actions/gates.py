"""Put a question to named people, and weigh what they answer."""

from datetime import datetime

from phasegate.actions.outside import Outside
from phasegate.actions.telling import tell
from phasegate.domain.approval import Answer, evidence_digest, expired, extended, weigh, withdrawn
from phasegate.domain.criteria import Level
from phasegate.domain.errors import Refused
from phasegate.domain.events import Answered, AnswerRefused, Asked, Choice, Event
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Gate, Phase


async def ask(
    outside: Outside, release: str, phase: Phase, *, gate: Gate, hold: bool, evidence: str
) -> ReleaseState:
    """Put *gate*'s question with *evidence* (Markdown); one question stands at a time."""
    return await put(outside, release, phase, gate=gate, hold=hold, evidence=evidence)


async def put(
    outside: Outside,
    release: str,
    phase: Phase,
    *,
    gate: Gate,
    evidence: str,
    hold: bool = False,
    way_back: bool = False,
) -> ReleaseState:
    """As `ask`; *way_back* marks the question about a release that cannot be taken back freely."""
    expires = outside.clock.now() + gate.limit

    def decide(state: ReleaseState) -> Asked | None:
        if state.question is not None or state.aborting:
            return None
        return Asked(
            key=f"{gate.name}-{state.asked + 1}",
            phase=phase.name,
            gate=gate.name,
            hold=hold,
            roles=gate.roles,
            digest=evidence_digest(evidence),
            evidence=evidence,
            expires_at=expires,
            way_back=way_back,
        )

    state = await outside.journal.record(release, decide)
    if state.question is None:
        return state
    text = (
        f"{gate.question} Asked of {' and '.join(gate.roles)} "
        f"until {state.question.expires_at:%Y-%m-%d %H:%M} UTC; silence means reject."
    )
    level = Level.WARNING if hold or way_back else Level.INFO
    return await tell(
        outside,
        release,
        level=level,
        subject=f"{release} waits for an answer",
        text=text,
        once=state.question.key,
    )


async def answer(
    outside: Outside, release: str, given: Answer, *, attempt: int | None = None
) -> Answered | AnswerRefused | None:
    """
    Weigh an answer; a rejection calls the release off, a longer soak is noted as well.

    *attempt* numbers the form that it was typed into: how many responses the question had
    when that was shown. Returns what was noted, None for a form that is read again after
    its answer counted.
    """
    weighed: Answered | AnswerRefused | None = None

    def decide(state: ReleaseState) -> Event | None:
        nonlocal weighed
        again = _read_again(state, given, attempt=attempt)
        weighed = None if again else weigh(state, given, now=outside.clock.now())
        return weighed

    await outside.journal.record(release, decide)
    await grant_more_time(outside, release)
    return weighed


def would_count(
    state: ReleaseState, *, now: datetime, decision: str, approver: str, role: str, reason: str
) -> None:
    """Raises Refused for an answer to the question that stands which would not count, and says why."""
    assert state.question is not None
    given = Answer(
        key=state.question.key,
        choice=Choice(decision),
        approver=approver,
        role=role,
        reason=reason,
        digest=state.question.digest,
    )
    weighed = weigh(state, given, now=now)
    if isinstance(weighed, AnswerRefused):
        raise Refused(f"the answer would not count, and was not given: {weighed.why}")


def _read_again(state: ReleaseState, given: Answer, *, attempt: int | None) -> bool:
    """A later form is a new answer, whatever it says: left out, it would never move the run on."""
    earlier = attempt is not None and attempt < state.responses
    return earlier and Answered(**given.model_dump()) in state.answers


async def grant_more_time(outside: Outside, release: str) -> ReleaseState:
    """Extend the soak that a person asked to be longer; whoever goes on with the release does it, once."""
    return await outside.journal.record(release, lambda s: extended(s, now=outside.clock.now()))


async def close_question(outside: Outside, release: str) -> ReleaseState:
    """Let a question whose time is up mean reject; withdraw one of a release that is taken back."""
    await outside.journal.record(release, lambda s: expired(s, now=outside.clock.now()))
    return await outside.journal.record(release, lambda s: withdrawn(s, now=outside.clock.now()))


def fallen(state: ReleaseState) -> dict[str, str]:
    """What a form is closed with whose question does not stand any more; the ledger ignores it."""
    role = state.roles[0] if state.roles else "nobody"
    return {
        "decision": "reject",
        "approver": "phasegate",
        "role": role,
        "reason": "the question does not stand",
    }
