"""Somebody else deployed during a release: what the plan says about it, what is seen, what is decided."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from phasegate.domain.criteria import Rule
from phasegate.domain.happening import Happening
from phasegate.domain.versions import LiveSplit, Split


class OnForeign(StrEnum):
    """What happens to a release when somebody else deploys its service."""

    HOLD = "hold"
    RESTORE = "restore"
    ABANDON = "abandon"


class DriftPolicy(Rule):
    """What is done about a deployment that this release did not make."""

    on_foreign: OnForeign = Field(
        default=OnForeign.HOLD,
        description="hold: page and wait for a person. restore: put the expected split back at once. "
        "abandon: end the release and leave the foreign split. While a release is taken back, a foreign "
        "split that still serves the candidate is always replaced, and one that does not never is.",
    )


class Settling(StrEnum):
    """What was decided about a foreign deployment."""

    ACCEPT = "accept"
    RESTORE = "restore"


class Drifted(Happening):
    """The live split is not the one that the ledger knows."""

    kind: Literal["drifted"] = "drifted"
    expected: Split
    found: LiveSplit


class DriftSettled(Happening):
    """A person, or the plan, decided about exactly the deployment that was found."""

    kind: Literal["drift-settled"] = "drift-settled"
    choice: Settling
    found: LiveSplit
    by: str
    reason: str
