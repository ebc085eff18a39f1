"""Items that a machine checks or a named person attests."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class By(StrEnum):
    """Who can say that an item is done."""

    MACHINE = "machine"
    PERSON = "person"


JUDGED = ("health", "error-rate", "latency", "critical-alerts")


class Item(BaseModel):
    """One line of a checklist; ``check`` names what proves it when no person has to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(pattern=r"^[a-z0-9-]+$", description="Short name, unique in its list.")
    text: str = Field(min_length=3, description="The line as people read it.")
    by: By = Field(description="machine: proved by a check. person: asked of the one who answers the gate.")
    check: str = Field(
        default="",
        pattern=r"^[a-z0-9-]*$",
        description="machine: what proves it: health, error-rate, latency, critical-alerts, or a key "
        "printed by the validation command.",
    )
    group: str = Field(default="", description="The heading it stands under.")


class Outcome(StrEnum):
    """How an item stands."""

    PASSED = "passed"
    FAILED = "failed"
    OPEN = "open"


class Result(BaseModel):
    """How one item came out, when, and what was seen."""

    model_config = ConfigDict(frozen=True)

    key: str
    outcome: Outcome
    detail: str = ""
    at: datetime | None = None


def open_items(items: tuple[Item, ...], results: tuple[Result, ...]) -> tuple[Item, ...]:
    """The machine-checked items that have not passed, in the order of the list."""
    passed = {result.key for result in results if result.outcome is Outcome.PASSED}
    return tuple(item for item in items if item.by is By.MACHINE and (item.check or item.key) not in passed)
