"""What a phase must prove to advance, and what takes it back: plan data, never code."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from phasegate.domain.quantities import Duration, Rate


class Rule(BaseModel):
    """What every rule of a plan has in common: frozen, and no unknown key."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ErrorRateBelow(Rule):
    """Success: the canary's share of failed requests is below the limit."""

    metric: Literal["error-rate"]
    below: Rate = Field(gt=0, description="The share of failed requests that must be undercut, e.g. 0.1%.")


class LatencyBelow(Rule):
    """Success: the canary's latency percentile is below the limit."""

    metric: Literal["latency"]
    percentile: float = Field(default=95, gt=0, lt=100, description="Which percentile, e.g. 95.")
    below: Duration = Field(description="The latency that must be undercut, e.g. 500ms.")


class HealthPassing(Rule):
    """Success: the last health check passed."""

    metric: Literal["health"]


class NoCriticalAlert(Rule):
    """Success: no critical alert is firing."""

    metric: Literal["critical-alerts"]


class Attested(Rule):
    """Success that a person vouches for; it is asked in the gate's form, so the phase has a gate."""

    metric: Literal["attested"]
    text: str = Field(min_length=3, description="What the person attests, as the runbook words it.")


class Unreported(Rule):
    """
    Success as long as nobody reports the contrary: named people are told to look when the phase begins.

    Silence until the end of the soak means that nothing was seen; without a channel that
    took the message nobody was asked, and the phase is held.
    """

    metric: Literal["unreported"]
    text: str = Field(min_length=3, description="What must not be reported, as the runbook words it.")
    asked: tuple[str, ...] = Field(min_length=1, description="The roles that are asked to look.")


SuccessCriterion = Annotated[
    ErrorRateBelow | LatencyBelow | HealthPassing | NoCriticalAlert | Attested | Unreported,
    Field(discriminator="metric"),
]
ASKED_OF_PEOPLE = frozenset({"attested", "unreported"})


class ErrorRateAbove(Rule):
    """Rollback: the canary's share of failed requests exceeds the limit."""

    metric: Literal["error-rate"]
    above: Rate = Field(
        lt=1, description="The share of failed requests above which the version is taken back, e.g. 1%."
    )
    sustained: Duration | None = Field(default=None, description="Only when it lasts this long, e.g. 15m.")


class LatencyAbove(Rule):
    """Rollback: the canary's latency percentile exceeds the limit."""

    metric: Literal["latency"]
    percentile: float = Field(default=95, gt=0, lt=100, description="Which percentile, e.g. 95.")
    above: Duration = Field(description="The latency above which the version is taken back, e.g. 2000ms.")
    sustained: Duration | None = Field(default=None, description="Only when it lasts this long, e.g. 15m.")


class HealthFailing(Rule):
    """Rollback: every health check failed for longer than this, or that many in a row."""

    metric: Literal["health"]
    failing_for: Duration = Field(description="How long health checks may fail in a row, e.g. 2m.")
    consecutive: int | None = Field(
        default=None, ge=1, description="Failures in a row that take it back at once, e.g. 3."
    )


class Reported(Rule):
    """Rollback that only a person can call for, with `phasegate abort` or the rollback flow."""

    metric: Literal["reported"]
    text: str = Field(min_length=3, description="What the person sees, as the runbook words it.")


RollbackThreshold = Annotated[
    ErrorRateAbove | LatencyAbove | HealthFailing | Reported, Field(discriminator="metric")
]


class Level(StrEnum):
    """How loud an alert is; each level has its channels."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class AlertRule(Rule):
    """One line of the runbook's alert table. Alerts tell; only rollback thresholds take back."""

    metric: Literal["error-rate", "latency", "health", "5xx-per-minute"] = Field(
        description="What is watched."
    )
    above: Rate | None = Field(default=None, description="error-rate: the share above which it fires.")
    percentile: float = Field(default=95, gt=0, lt=100, description="latency: which percentile.")
    slower_than: Duration | None = Field(default=None, description="latency: the limit above which it fires.")
    consecutive: int | None = Field(default=None, ge=1, description="health: failures in a row.")
    more_than: int | None = Field(default=None, ge=0, description="5xx-per-minute: count per minute.")
    level: Level
    action: str = Field(min_length=3, description="What the one who is told should do.")

    @model_validator(mode="after")
    def _has_its_limit(self) -> Self:
        needed = _LIMITS[self.metric]
        given = {name for name in _LIMITS.values() if getattr(self, name) is not None}
        if given != {needed}:
            shown = ", ".join(sorted(given)) or "no limit"
            raise ValueError(f"{shown} for {self.metric}; allowed: {needed} and nothing else")
        return self


_LIMITS = {
    "error-rate": "above",
    "latency": "slower_than",
    "health": "consecutive",
    "5xx-per-minute": "more_than",
}
