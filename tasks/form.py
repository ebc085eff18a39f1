"""The forms of the Prefect UI: the small one of a gate, and the choices of a run's."""

from typing import Any, Literal

from prefect.input import RunInput
from pydantic import Field, JsonValue, create_model

from phasegate.domain.events import Asked
from phasegate.settings import Settings
from phasegate.wiring import known_plans


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


def plan_choices() -> list[JsonValue]:
    """The plans that the run form offers: those that exist when the flow is deployed."""
    return [*known_plans(Settings())]
