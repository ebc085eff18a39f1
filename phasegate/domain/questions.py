"""The events of a gate: asked, answered, refused, expired, withdrawn."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from phasegate.domain.happening import Happening


class Choice(StrEnum):
    """What a person answers at a gate."""

    APPROVE = "approve"
    REJECT = "reject"
    EXTEND = "extend"


class Asked(Happening):
    """
    A question is put to named roles; ``digest`` is of the evidence shown with it.

    ``way_back`` marks the one about going on although the release cannot be taken back freely.
    """

    kind: Literal["asked"] = "asked"
    key: str
    phase: str
    gate: str
    hold: bool
    roles: tuple[str, ...]
    digest: str
    evidence: str
    expires_at: datetime
    way_back: bool = False


class Answered(Happening):
    """One person's answer, in one role, to exactly the question that was asked."""

    kind: Literal["answered"] = "answered"
    key: str
    choice: Choice
    approver: str
    role: str
    reason: str
    digest: str


class AnswerRefused(Happening):
    """An answer that does not count, and why."""

    kind: Literal["answer-refused"] = "answer-refused"
    key: str
    approver: str
    role: str
    why: str


class Expired(Happening):
    """Nobody answered in time; that means reject."""

    kind: Literal["expired"] = "expired"
    key: str


class Withdrawn(Happening):
    """The question fell because the release is taken back."""

    kind: Literal["withdrawn"] = "withdrawn"
    key: str
    because: str
