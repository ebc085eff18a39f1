"""Who may answer which question, and what an answer does."""

import hashlib
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from phasegate.domain.events import (
    AbortAsked,
    Answered,
    AnswerRefused,
    Choice,
    Expired,
    Extended,
    Withdrawn,
)
from phasegate.domain.ledger import ReleaseState


class Answer(BaseModel):
    """What a person typed into a gate's form, and the digest of the evidence it was shown with."""

    model_config = ConfigDict(frozen=True)

    key: str
    choice: Choice
    approver: str
    role: str
    reason: str
    digest: str


def evidence_digest(evidence: str) -> str:
    """SHA-256, in hexadecimal, of the evidence a question was shown with."""
    return hashlib.sha256(evidence.encode()).hexdigest()


def weigh(state: ReleaseState, answer: Answer, *, now: datetime) -> Answered | AnswerRefused:
    """
    Accept an answer or say why it does not count.

    It counts when the question stands, the evidence is the one that was shown,
    the role was asked for, and the person neither requested the release nor
    approved already, in whatever role. Anybody may reject, also the author and
    who has approved.
    """
    why = _objection(state, answer, now=now)
    if why:
        return AnswerRefused(key=answer.key, approver=answer.approver, role=answer.role, why=why)
    return Answered(**answer.model_dump())


def _objection(state: ReleaseState, answer: Answer, *, now: datetime) -> str:
    question = state.question
    if question is None or question.key != answer.key:
        return "the question does not stand any more"
    if now >= question.expires_at:
        return f"the question expired at {question.expires_at:%H:%M:%S} UTC"
    if answer.digest != question.digest:
        return "the evidence has changed since it was shown"
    if answer.role not in question.roles:
        return f"role {answer.role!r} was not asked; the roles are {', '.join(question.roles)}"
    return "" if answer.choice is Choice.REJECT else _conflict(state, answer)


def _conflict(state: ReleaseState, answer: Answer) -> str:
    person = _same(answer.approver)
    if person == _same(state.opened.requested_by):
        return f"{answer.approver} requested this release and may not approve it"
    before = next((given for given in state.answers if _same(given.approver) == person), None)
    if before is None:
        return ""
    said = f"{answer.approver} has already approved as {before.role}"
    if answer.role != before.role:
        return f"{said}; nobody answers in another role too, only a rejection would count"
    if answer.choice is Choice.APPROVE:
        return f"{said}; nobody approves twice, a rejection would count"
    return f"{said}; of the same person only a rejection would count now"


def same_person(one: str, other: str) -> bool:
    """Whether two typed names mean one person; case and spaces do not matter."""
    return _same(one) == _same(other)


def _same(name: str) -> str:
    return " ".join(name.split()).casefold()


def extended(state: ReleaseState, *, now: datetime) -> Extended | None:
    """The longer soak that an answer asked for and that has not been given yet."""
    if state.more_time is None or state.aborting or state.ended is not None:
        return None
    name, answered = state.more_time
    if name in state.ended_phases:
        return None
    soak = state.plan.phase(name).soak
    length = soak.duration / 2 if soak else 3 * state.plan.interval
    why = f"{answered.approver} ({answered.role}) asked for more time: {answered.reason}"
    return Extended(phase=name, until=now + length, because=why)


def expired(state: ReleaseState, *, now: datetime) -> AbortAsked | None:
    """A question whose time is up means reject: the release is to be taken back."""
    question = state.question
    if question is None or now < question.expires_at or state.aborting:
        return None
    roles = " and ".join(question.roles)
    reason = f"nobody answered {question.gate!r} in time (asked: {roles}); silence means reject"
    return AbortAsked(by="phasegate", reason=reason)


def withdrawn(state: ReleaseState, *, now: datetime) -> Expired | Withdrawn | None:
    """How a question falls once the release is taken back: it expired, or it is withdrawn."""
    if state.question is None or not state.aborting:
        return None
    if now >= state.question.expires_at:
        return Expired(key=state.question.key)
    return Withdrawn(key=state.question.key, because=state.why_abort)
