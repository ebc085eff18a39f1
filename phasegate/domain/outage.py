"""What a release does while an outside system does not answer: its patience, and the event that it waits."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from phasegate.domain.criteria import Rule
from phasegate.domain.happening import Happening
from phasegate.domain.quantities import Duration, format_duration


class Outage(Rule):
    """How long the work of a phase may be tried in vain: first people are told, then it is taken back."""

    tell_after: Duration = Field(
        default=timedelta(minutes=5), description="People are paged when nothing could be done for this long."
    )
    limit: Duration = Field(
        default=timedelta(hours=1), description="After this long in vain the release is called off."
    )

    @model_validator(mode="after")
    def _tells_first(self) -> Self:
        if self.tell_after >= self.limit:
            raise ValueError(
                f"tell_after {format_duration(self.tell_after)} with limit {format_duration(self.limit)}; "
                f"allowed: less than {format_duration(self.limit)}"
            )
        return self


class Stalled(Happening):
    """What is due in a phase cannot be done at present; the next event that is progress ends it."""

    kind: Literal["stalled"] = "stalled"
    phase: str
    because: str
