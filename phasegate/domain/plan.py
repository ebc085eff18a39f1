"""
The rollout plan: the runbook as data.

Everything that the runbook fixes (weights, durations, criteria, thresholds, alerts,
channels, gates, checklists, tasks) is here and nowhere in code. A plan is checked as
a whole when it is read, so that an unsafe one never starts.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Self

from pydantic import Field, ValidationInfo, model_validator

from phasegate.domain.checklist import Item
from phasegate.domain.criteria import AlertRule, Level, Rule
from phasegate.domain.drift import DriftPolicy, OnForeign
from phasegate.domain.freeze import Freeze
from phasegate.domain.outage import Outage
from phasegate.domain.phase import (
    NAME,
    Environment,
    Gate,
    Load,
    LowTraffic,
    OnExpiry,
    Phase,
    Soak,
    Validation,
)
from phasegate.domain.quantities import Duration, Rate
from phasegate.domain.safety import Faults, unsafe
from phasegate.domain.sources import CrossCheck
from phasegate.domain.standing import OverSecrets
from phasegate.domain.synthetic import Synthetic

__all__ = [
    "NAME",
    "STORED",
    "Attribution",
    "Communication",
    "Comparison",
    "CrossCheck",
    "Database",
    "DriftPolicy",
    "Environment",
    "Gate",
    "HealthContract",
    "Load",
    "LowTraffic",
    "OnExpiry",
    "OnForeign",
    "OnLost",
    "Outage",
    "OverSecrets",
    "Phase",
    "Recovery",
    "RolloutPlan",
    "Soak",
    "Synthetic",
    "Telemetry",
    "Upkeep",
    "Validation",
]

# The context of validating a plan that was checked when its release was opened.
STORED = {"stored": True}
_STEPS = (5, 8, 13, 20, 32, 50, 80, 125, 200, 320, 800, 1250, 3200, 8000)
_DATE = r"^(\d{4}-\d{2}-\d{2})?$"


class Attribution(StrEnum):
    """What an absolute breach means when the control breaks the same limit in the same minutes."""

    LITERAL = "literal"
    ATTRIBUTED = "attributed"


class OnLost(StrEnum):
    """What the keeper does when the run that drives a release has died."""

    RESUME = "resume"
    ROLLBACK = "rollback"


class HealthContract(Rule):
    """What a healthy answer is, how often it is asked, and when failures count."""

    path: str = Field(pattern=r"^/", description="Path on the service, asked with GET.")
    every: Duration = Field(description="How often each version is asked.")
    status: int = Field(ge=100, le=599, description="The HTTP status of a healthy answer.")
    within: Duration = Field(description="A slower answer is a failure.")
    fields: tuple[str, ...] = Field(description="Fields that must be there; dots go into objects.")
    expect: dict[str, str | bool] = Field(description="Fields with the value they must have.")


class Telemetry(Rule):
    """How the metrics source behaves and when its silence matters."""

    settle: Duration = Field(
        description="Intervals younger than this may still grow and are not judged. An answer is known when "
        "it is over, so: longer than the latencies that the limits look for."
    )
    silence_warns: Duration = Field(description="No data for this long warns.")
    silence_holds: Duration = Field(description="No data for this long stops any promotion.")
    share_within: float = Field(
        gt=0, le=100, description="How far, in points, the observed share may be from the weight."
    )
    share_limit: Duration = Field(description="How long the observed share may take to follow the weight.")
    ladder: tuple[Duration, ...] = Field(
        default=tuple(timedelta(milliseconds=step) for step in _STEPS),
        max_length=40,
        description="Latencies at which requests are counted beside the plan's own limits, to compare canary "
        "and control; each costs a query per interval in a busy service. Empty: latency is not compared.",
    )
    cross_check: CrossCheck | None = Field(
        default=CrossCheck(), description="The comparison with the second source of metrics; null: none."
    )


class Comparison(Rule):
    """How the canary is compared with its control; what is tolerated is not evidence."""

    error_tolerance: float = Field(
        default=1.0, ge=1, le=10, description="The canary may fail this many times as often as the control."
    )
    latency_tolerance: float = Field(
        default=1.1, ge=1, le=10, description="The canary's answers may take this many times as long."
    )
    strict: bool = Field(
        default=False, description="Trust no history: only requests of the same intervals are compared."
    )


class Recovery(Rule):
    """What is watched after a rollback until the service counts as recovered."""

    steady_for: Duration = Field(
        description="The criteria must hold on the known-good version for this long."
    )
    limit: Duration = Field(description="After this long without it the rollback says: not recovered.")
    tasks: tuple[str, ...] = Field(default=(), description="What people do once traffic is back.")


class Communication(Rule):
    """Who hears of a rollback and of an incident, and in which words."""

    rollback: tuple[str, ...] = Field(default=(), description="Channels told of every rollback.")
    incident: tuple[str, ...] = Field(default=(), description="Channels told of every incident.")
    internal: str = Field(default="", description="Template of the incident message to the team.")
    external: str = Field(default="", description="Template of the message on the status page.")


class Database(Rule):
    """The D1 database that a release migrates, and who may take the database itself back."""

    binding: str = Field(
        default="DB",
        min_length=1,
        description="The bundle's D1 binding that leads to it in each environment.",
    )
    migrations: str = Field(
        min_length=1, description="Folder with one file of SQL per migration, relative to the project."
    )
    down: str = Field(
        default="down",
        min_length=1,
        description="Folder, relative to the migrations, with the SQL that takes each back, under its name.",
    )
    roles: tuple[str, ...] = Field(
        min_length=1, description="Who may put the database back to an earlier time; one person of them."
    )


class Upkeep(Rule):
    """When the plan itself is looked at again."""

    next_review: str = Field(default="", pattern=_DATE, description="Date, YYYY-MM-DD.")
    when: tuple[str, ...] = Field(default=(), description="What calls for a review before that date.")


class RolloutPlan(Rule):
    """A whole rollout, from the first check to the last follow-up. Weights rise and the last is 100."""

    name: str = Field(pattern=NAME, description="Name of the plan; the file's stem when not given.")
    description: str = Field(min_length=3, description="One sentence: what the plan is for.")
    owner: str = Field(min_length=2, description="The team that answers for the plan.")
    reviewed: str = Field(default="", pattern=_DATE, description="Date of the last review, YYYY-MM-DD.")
    interval: Duration = Field(description="Length of one bucket of counts.")
    tick: Duration = Field(description="How often the keeper looks.")
    alpha: Rate = Field(
        gt=0, le=0.1, description="Chance, per release, of taking a good version back by accident."
    )
    attribution: Attribution = Field(
        description="literal: a breach takes back even when the control breaks the same limit."
    )
    on_lost_run: OnLost = Field(description="What the keeper does when the driving run has died.")
    drift: DriftPolicy = DriftPolicy()
    rollback_over_changed_secrets: OverSecrets = Field(
        default=OverSecrets.HOLD,
        description="When the platform refuses the known-good version because secrets changed since: "
        "hold pages a person, force brings it back with the secrets of now.",
    )
    health: HealthContract
    telemetry: Telemetry
    synthetic: Synthetic | None = Field(
        default=None, description="Requests that are sent while users are too few to judge by; null: none."
    )
    comparison: Comparison = Comparison()
    recovery: Recovery
    outage: Outage = Outage()
    freezes: tuple[Freeze, ...] = Field(
        default=(), description="Times in which nothing begins and no traffic is raised."
    )
    alerts: tuple[AlertRule, ...] = Field(description="The alert table. Alerts tell, they take nothing back.")
    channels: dict[Level, tuple[str, ...]] = Field(description="Where alerts of each level go.")
    communication: Communication | None = None
    preflight: tuple[Item, ...] = Field(default=(), description="The pre-deployment checklist.")
    phases: tuple[Phase, ...] = Field(min_length=2, description="In order; merged by name under `extends`.")
    verification: dict[str, tuple[Item, ...]] = Field(
        default_factory=dict, description="Checks after the release, by period."
    )
    database: Database | None = Field(
        default=None, description="The database that releases migrate; without it none is touched."
    )
    upkeep: Upkeep | None = None

    @model_validator(mode="after")
    def _is_safe(self, info: ValidationInfo) -> Self:
        if info.context != STORED and (faults := unsafe(self)):
            raise Faults(faults)
        return self

    def phase(self, name: str) -> Phase:
        """The phase called *name*; raises KeyError when there is none."""
        for phase in self.phases:
            if phase.name == name:
                return phase
        raise KeyError(name)

    @property
    def shortest(self) -> timedelta:
        """The least time a release can take: every soak once and every load test, gates answered at once."""
        soaks = [phase.soak.duration for phase in self.phases if phase.soak]
        loads = [phase.load.duration for phase in self.phases if phase.load]
        return sum([*soaks, *loads], timedelta(0))

    @property
    def longest(self) -> timedelta:
        """
        The most time the plan foresees: every soak with its extensions, load test, question and recovery.

        What people add is not in it: more time asked for at a gate, an outage, a freeze, another's turn.
        """
        limits = [self.recovery.limit]
        for phase in self.phases:
            if phase.soak:
                limits.append(phase.soak.duration * (1 + phase.soak.extensions / 2) + self.telemetry.settle)
            limits += [part.duration for part in (phase.load,) if part]
            limits += [part.limit for part in (phase.validation, phase.gate, phase.hold) if part]
        return sum(limits, timedelta(0))

    @property
    def told(self) -> tuple[str, ...]:
        """Every channel the plan names, sorted."""
        named = {name for names in self.channels.values() for name in names}
        if self.communication:
            named.update(self.communication.rollback, self.communication.incident)
        return tuple(sorted(named))

    @property
    def cuts(self) -> tuple[int, ...]:
        """Every latency limit of the plan in milliseconds, growing."""
        rules = [rule for phase in self.phases for rule in (*phase.success, *phase.rollback)]
        limits = [getattr(rule, "below", None) for rule in rules if rule.metric == "latency"]
        limits += [getattr(rule, "above", None) for rule in rules if rule.metric == "latency"]
        limits += [alert.slower_than for alert in self.alerts]
        return tuple(sorted({round(limit.total_seconds() * 1000) for limit in limits if limit is not None}))

    @property
    def counted(self) -> tuple[int, ...]:
        """The latencies in milliseconds, growing, at which telemetry must count: limits and ladder."""
        steps = {round(step.total_seconds() * 1000) for step in self.telemetry.ladder}
        return tuple(sorted({*self.cuts, *steps}))
