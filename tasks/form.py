"""The small form of a gate, as the Prefect UI shows it."""

from typing import Any, Literal

from prefect.input import RunInput
from pydantic import Field, create_model

from phasegate.domain.events import Asked


class Approval(RunInput):
    """Who answers a gate, in which role, how and why."""

    decision: Literal["approve", "reject", "extend"] = Field(
        description="approve: go on. reject: take the release back. extend: watch for longer."
    )
    approver: str = Field(min_length=3, max_length=80, description="Your name; the author may not approve.")
    role: str = Field(description="The role in which you answer.")
    reason: str = Field(min_length=3, max_length=1000, description="Why, for the record.")


def form_for(question: Asked) -> Any:
    """The form of one question: its roles become the choices. Returns a subclass of Approval."""
    roles: Any = Literal.__getitem__(question.roles)
    role = Field(description="The role in which you answer.")
    return create_model("Approval", __base__=Approval, role=(roles, role))
