"""What comes next in a phase: a soak, a question for a person, done, or abort."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from phasegate.domain.events import Asked


class Next(StrEnum):
    """The four things that can follow a phase's short work."""

    SOAK = "soak"
    QUESTION = "question"
    DONE = "done"
    ABORT = "abort"


class Step(BaseModel):
    """
    What a phase flow says to its parent.

    ``until`` is the end of a wait, ``question`` what a person is asked, and
    ``because`` one sentence for whoever looks. ``held``: the wait is over as soon as
    somebody has decided about a foreign deployment.
    """

    model_config = ConfigDict(frozen=True)

    next: Next
    because: str
    until: datetime | None = None
    question: Asked | None = None
    held: bool = False

    @property
    def finished(self) -> bool:
        """Whether the phase needs no further wait."""
        return self.next in (Next.DONE, Next.ABORT)

    @property
    def aborted(self) -> bool:
        """Whether the release is to be taken back."""
        return self.next is Next.ABORT
