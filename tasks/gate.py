"""Hand a person's answer to the ledger."""

from phasegate.actions.gates import answer
from phasegate.domain.approval import Answer
from phasegate.domain.events import AnswerRefused, Choice
from phasegate.wiring import shared
from tasks.step import step


@step()
async def gate(
    release: str,
    *,
    key: str,
    attempt: int,
    decision: str,
    approver: str,
    role: str,
    reason: str,
    digest: str,
) -> str:
    """
    Weigh one answer to the question *key*, typed into its form *attempt*; returns in words what it did.

    An answer that does not count leaves the question standing and is noted with why.
    """
    outside = await shared()
    given = Answer(
        key=key, choice=Choice(decision), approver=approver, role=role, reason=reason, digest=digest
    )
    weighed = await answer(outside, release, given, attempt=attempt)
    if weighed is None:
        return f"the answer of {approver} ({role}) was noted before"
    if isinstance(weighed, AnswerRefused):
        return f"the answer of {approver} ({role}) does not count: {weighed.why}"
    return f"{approver} ({role}) answered: {decision}"
