"""
One step of the rollout, as plan data: a weight, a soak, what is proved, what takes it back.
"""

from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from phasegate.domain.checklist import Item
from phasegate.domain.criteria import RollbackThreshold, Rule, SuccessCriterion
from phasegate.domain.quantities import Duration
from phasegate.domain.synthetic import Synthetic

NAME = r"^[a-z][a-z0-9-]*$"


class Environment(StrEnum):
    """Where a phase works: the staging Worker (``<name>-staging``) or the service itself."""

    STAGING = "staging"
    PRODUCTION = "production"


class OnExpiry(StrEnum):
    """What a gate that nobody answered means."""

    REJECT = "reject"


class LowTraffic(StrEnum):
    """What happens when traffic was too low to prove the success criteria."""

    HOLD = "hold"
    ACCEPT = "accept"


class Gate(Rule):
    """A question to named people: who may answer, how long it waits, what silence means."""

    name: str = Field(pattern=NAME)
    question: str = Field(min_length=3, description="What is asked, as people read it.")
    roles: tuple[str, ...] = Field(min_length=1, description="One approval of each of these roles is needed.")
    limit: Duration = Field(description="How long the question stands.")
    on_expiry: OnExpiry = Field(description="What silence means; only reject is safe.")


class Validation(Rule):
    """A program that validates the staging environment; it gets STAGING_URL and ends with 0."""

    command: tuple[str, ...] = Field(min_length=1, description="Program and arguments; no shell.")
    limit: Duration = Field(description="It is ended and counted as failed after this long.")


class Load(Rule):
    """An open-loop load test against staging; its requests are judged by the success criteria."""

    rate: float = Field(gt=0, le=2000, description="Requests per second.")
    duration: Duration
    mix: str = Field(description="File with the mix of requests, relative to the plan's project.")


class Soak(Rule):
    """How long a phase watches, and how far it may be extended when evidence is thin."""

    duration: Duration = Field(description="Minimum time at this weight.")
    warmup: Duration = Field(
        default=timedelta(0), description="Time after the weight change that is not judged."
    )
    extensions: int = Field(
        default=2, ge=0, le=10, description="How often it may be extended by half its duration."
    )


class Phase(Rule):
    """One step of the rollout: a weight, a soak, what must be proved and what takes it back."""

    name: str = Field(pattern=NAME)
    title: str = Field(min_length=3)
    environment: Environment
    weight: float = Field(ge=0, le=100, description="Percent of production traffic.")
    soak: Soak | None = Field(default=None, description="Required in production, at 0 % too.")
    success: tuple[SuccessCriterion, ...] = Field(description="All must hold before the next phase.")
    rollback: tuple[RollbackThreshold, ...] = Field(description="Any of them takes the version back.")
    low_traffic: LowTraffic = Field(description="What happens when the criteria stay unproven.")
    synthetic: Synthetic | None = Field(
        default=None, description="Instead of the plan's own; `{when: never}` sends none in this phase."
    )
    validation: Validation | None = None
    load: Load | None = None
    checklist: tuple[Item, ...] = ()
    watch: tuple[str, ...] = Field(default=(), description="What people look at during the phase.")
    gate: Gate | None = Field(
        default=None, description="Asked after the phase was judged healthy, before the next."
    )
    hold: Gate = Field(description="Asked when the evidence does not decide, even after every extension.")
    tasks: tuple[str, ...] = Field(default=(), description="What is to be done once the phase is over.")

    @property
    def takes_traffic(self) -> bool:
        """Whether production requests reach the new version in this phase."""
        return self.environment is Environment.PRODUCTION and self.weight > 0

    @property
    def has_control(self) -> bool:
        """Whether the known-good version serves beside the new one, to be compared with it."""
        return self.takes_traffic and self.weight < 100
