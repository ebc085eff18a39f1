"""
The rollout plan: the runbook as data.

Everything that the runbook fixes (weights, durations, criteria, thresholds, alerts,
channels, gates, checklists, tasks) is here and nowhere in code. A plan is checked as
a whole when it is read, so that an unsafe one never starts.
"""

from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Self

from pydantic import Field, field_validator, model_validator

from phasegate.domain.checklist import Item
from phasegate.domain.criteria import AlertRule, Level, RollbackThreshold, Rule, SuccessCriterion
from phasegate.domain.quantities import Duration, Rate, format_duration

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


class Attribution(StrEnum):
    """What an absolute breach means when the control breaks the same limit in the same minutes."""

    LITERAL = "literal"
    ATTRIBUTED = "attributed"


class OnLost(StrEnum):
    """What the keeper does when the run that drives a release has died."""

    RESUME = "resume"
    ROLLBACK = "rollback"


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
    soak: Soak | None = Field(default=None, description="Required wherever production takes traffic.")
    success: tuple[SuccessCriterion, ...] = Field(description="All must hold before the next phase.")
    rollback: tuple[RollbackThreshold, ...] = Field(description="Any of them takes the version back.")
    low_traffic: LowTraffic = Field(description="What happens when the criteria stay unproven.")
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


class HealthContract(Rule):
    """What a healthy answer is, how often it is asked, and when failures count."""

    path: str = Field(pattern=r"^/")
    every: Duration
    status: int = Field(ge=100, le=599)
    within: Duration = Field(description="A slower answer is a failure.")
    fields: tuple[str, ...] = Field(description="Fields that must be there; dots go into objects.")
    expect: dict[str, str | bool] = Field(description="Fields with the value they must have.")


class Telemetry(Rule):
    """How the metrics source behaves and when its silence matters."""

    settle: Duration = Field(description="Intervals younger than this may still grow and are not judged.")
    silence_warns: Duration = Field(description="No data for this long warns.")
    silence_holds: Duration = Field(description="No data for this long stops any promotion.")
    share_within: float = Field(
        gt=0, le=100, description="How far, in points, the observed share may be from the weight."
    )
    share_limit: Duration = Field(description="How long the observed share may take to follow the weight.")


class Recovery(Rule):
    """What is watched after a rollback until the service counts as recovered."""

    steady_for: Duration = Field(
        description="The criteria must hold on the known-good version for this long."
    )
    limit: Duration = Field(description="After this long without it the rollback says: not recovered.")


class RolloutPlan(Rule):
    """A whole rollout, from the first check to the last follow-up. Weights rise and the last is 100."""

    name: str = Field(pattern=NAME)
    description: str = Field(min_length=3)
    owner: str = Field(min_length=2)
    reviewed: str = Field(default="", description="Date of the last review, YYYY-MM-DD.")
    interval: Duration = Field(description="Length of one bucket of counts.")
    tick: Duration = Field(description="How often the keeper looks.")
    alpha: Rate = Field(description="Chance, per release, of taking a good version back by accident.")
    attribution: Attribution
    on_lost_run: OnLost
    health: HealthContract
    telemetry: Telemetry
    recovery: Recovery
    alerts: tuple[AlertRule, ...]
    channels: dict[Level, tuple[str, ...]]
    preflight: tuple[Item, ...] = Field(default=(), description="The pre-deployment checklist.")
    phases: tuple[Phase, ...] = Field(min_length=2)
    verification: dict[str, tuple[Item, ...]] = Field(
        default_factory=dict, description="Checks after the release, by period."
    )

    @field_validator("phases")
    @classmethod
    def _weights_rise_to_100(cls, phases: tuple[Phase, ...]) -> tuple[Phase, ...]:
        names = [phase.name for phase in phases]
        if len(set(names)) != len(names):
            raise ValueError(f"phase names must differ, these are {', '.join(names)}")
        for before, after in pairwise(phases):
            if after.weight <= before.weight:
                raise ValueError(
                    f"weights must rise: phase {after.name!r} has {after.weight:g} % after "
                    f"{before.weight:g} % in {before.name!r}"
                )
        if phases[-1].weight != 100:
            raise ValueError(
                f"the last phase must take 100 %, {phases[-1].name!r} takes {phases[-1].weight:g} %"
            )
        return phases

    @model_validator(mode="after")
    def _every_phase_is_guarded(self) -> Self:
        faults = [fault for phase in self.phases for fault in self._faults(phase)]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _faults(self, phase: Phase) -> list[str]:
        return [
            f"phase {phase.name!r}: {fault}"
            for fault in (*_missing(phase), *_too_short(phase, self.interval))
        ]

    def phase(self, name: str) -> Phase:
        """The phase called *name*; raises KeyError when there is none."""
        return next(phase for phase in self.phases if phase.name == name)

    @property
    def cuts(self) -> tuple[int, ...]:
        """Every latency limit of the plan in milliseconds, growing: what telemetry must count."""
        rules = [rule for phase in self.phases for rule in (*phase.success, *phase.rollback)]
        limits = [getattr(rule, "below", None) for rule in rules if rule.metric == "latency"]
        limits += [getattr(rule, "above", None) for rule in rules if rule.metric == "latency"]
        limits += [alert.slower_than for alert in self.alerts]
        return tuple(sorted({round(limit.total_seconds() * 1000) for limit in limits if limit is not None}))


def _missing(phase: Phase) -> list[str]:
    faults = []
    if not any(rule.metric != "attested" for rule in phase.success):
        faults.append("success: 0 criteria that a machine can judge; at least 1 is required")
    if phase.takes_traffic and not any(rule.metric != "reported" for rule in phase.rollback):
        faults.append(f"rollback: 0 thresholds at {phase.weight:g} % of production; at least 1 is required")
    if phase.environment is Environment.STAGING and phase.weight > 0:
        faults.append(f"weight: staging takes 0 % of production, not {phase.weight:g} %")
    return faults


def _too_short(phase: Phase, interval: timedelta) -> list[str]:
    if not phase.takes_traffic:
        return []
    if phase.soak is None:
        least = format_duration(3 * interval)
        return [f"soak: none at {phase.weight:g} % of production; give a duration of at least {least}"]
    if phase.soak.duration < 3 * interval:
        return [
            f"soak: {format_duration(phase.soak.duration)} is shorter than three intervals "
            f"({format_duration(3 * interval)}); nothing could be judged"
        ]
    return []
