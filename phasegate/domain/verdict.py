"""Many classifications, one verdict: the worst wins."""

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Finding(StrEnum):
    """What one rule, or the judge as a whole, found. There are three values, never two."""

    HEALTHY = "healthy"
    INCONCLUSIVE = "not enough evidence"
    HARMFUL = "harmful"


_RANK = {Finding.HEALTHY: 0, Finding.INCONCLUSIVE: 1, Finding.HARMFUL: 2}


class Reason(BaseModel):
    """
    Why a rule found what it found, complete enough to check it by hand.

    ``value`` and ``threshold`` are texts with units (``6.4 %``, ``> 1 %``);
    ``bad`` of ``total`` requests were counted between ``since`` and ``until``;
    ``baseline`` says what the control did in the same time.
    """

    model_config = ConfigDict(frozen=True)

    criterion: str = Field(description="Stable name of the criterion, e.g. error-rate.")
    finding: Finding
    rule: str = Field(description="Name of the rule that decided, e.g. absolute-limit.")
    text: str = Field(description="One sentence for a person on call.")
    value: str = ""
    threshold: str = ""
    baseline: str = ""
    bad: int | None = None
    total: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    endpoint: str = ""
    query: str = ""


class Alert(BaseModel):
    """One line of the alert table that fires now."""

    model_config = ConfigDict(frozen=True)

    key: str
    level: str
    text: str
    action: str


class Verdict(BaseModel):
    """
    What the evidence says about one phase at one instant.

    ``judged_until`` is the end of the newest interval that was judged, ``None``
    before the first. ``violated`` tells a success criterion proved broken from
    one that is merely unproven; neither is harmful by itself. ``doubtful`` counts
    speak against a criterion without proving it broken: they are not accepted as thin.
    """

    model_config = ConfigDict(frozen=True)

    phase: str
    at: datetime
    finding: Finding
    reasons: tuple[Reason, ...] = Field(min_length=1)
    violated: bool = False
    doubtful: bool = Field(
        default=False, description="Chance explains the counts in fewer than 5 % of cases."
    )
    silent: bool = Field(
        default=False, description="No data, or the source away, for longer than the plan allows."
    )
    synthetic: bool = Field(
        default=False,
        description="No users, but synthetic requests were answered: the verdict rests on them.",
    )
    synthetic_until: datetime | None = Field(
        default=None, description="The end of the newest interval of synthetic requests that was judged."
    )
    alerts: tuple[Alert, ...] = ()
    judged_until: datetime | None = None
    age: timedelta = timedelta(0)
    evidence: tuple[tuple[datetime, float], ...] = Field(
        default=(), description="Where canary and control were compared: when, and log10 of the evidence."
    )

    def because(self) -> tuple[Reason, ...]:
        """The reasons that carry the finding: those as bad as the verdict itself."""
        return tuple(reason for reason in self.reasons if reason.finding is self.finding) or self.reasons


def worst(findings: tuple[Finding, ...]) -> Finding:
    """The worst of *findings*; without any there is not enough evidence."""
    return max(findings, key=_RANK.__getitem__) if findings else Finding.INCONCLUSIVE
