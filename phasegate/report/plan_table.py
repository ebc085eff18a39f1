"""A plan as a table for the terminal."""

from rich.box import SIMPLE
from rich.table import Table

from phasegate.domain.criteria import (
    Attested,
    ErrorRateAbove,
    ErrorRateBelow,
    HealthFailing,
    HealthPassing,
    LatencyAbove,
    LatencyBelow,
    NoCriticalAlert,
    Reported,
    RollbackThreshold,
    SuccessCriterion,
    Unreported,
)
from phasegate.domain.phase import Phase
from phasegate.domain.plan import RolloutPlan
from phasegate.domain.quantities import format_duration, format_rate


def plan_table(plan: RolloutPlan) -> Table:
    """One row for each phase of *plan*: weight, soak, what is proved, what takes it back, who is asked."""
    table = Table(title=f"{plan.name}: {plan.description}", title_justify="left", box=SIMPLE, show_lines=True)
    for heading in ("phase", "weight", "soak", "success", "rollback", "gate"):
        table.add_column(heading, overflow="fold")
    for phase in plan.phases:
        table.add_row(*_row(phase))
    return table


def _row(phase: Phase) -> tuple[str, ...]:
    success = "\n".join(words(rule) for rule in phase.success)
    rollback = "\n".join(words(rule) for rule in phase.rollback) or "-"
    return phase.name, f"{phase.weight:g} %", _soak(phase), success, rollback, _gate(phase)


def _soak(phase: Phase) -> str:
    if phase.soak is not None:
        return format_duration(phase.soak.duration)
    return f"load {phase.load.rate:g}/s {format_duration(phase.load.duration)}" if phase.load else "-"


def _gate(phase: Phase) -> str:
    if phase.gate is None:
        return "advances when healthy"
    return f"{' + '.join(phase.gate.roles)}, within {format_duration(phase.gate.limit)}"


def words(rule: SuccessCriterion | RollbackThreshold) -> str:
    """One criterion or threshold as people say it: ``P95 < 500ms``."""
    match rule:
        case ErrorRateBelow():
            return f"errors < {format_rate(rule.below)}"
        case LatencyBelow():
            return f"P{rule.percentile:g} < {format_duration(rule.below)}"
        case HealthPassing():
            return "health checks pass"
        case NoCriticalAlert():
            return "no critical alert"
        case Attested() | Unreported():
            return _of_people(rule)
        case _:
            return _threshold(rule)


def _of_people(rule: Attested | Unreported) -> str:
    by = f"unreported by {', '.join(rule.asked)}" if isinstance(rule, Unreported) else "attested"
    return f"{by}: {rule.text}"


def _threshold(rule: RollbackThreshold) -> str:
    match rule:
        case ErrorRateAbove():
            return f"errors > {format_rate(rule.above)}{_sustained(rule)}"
        case LatencyAbove():
            return f"P{rule.percentile:g} > {format_duration(rule.above)}{_sustained(rule)}"
        case HealthFailing():
            in_a_row = f" or {rule.consecutive} in a row" if rule.consecutive else ""
            return f"health fails for {format_duration(rule.failing_for)}{in_a_row}"
        case Reported():
            return f"reported: {rule.text}"


def _sustained(rule: ErrorRateAbove | LatencyAbove) -> str:
    return f" for {format_duration(rule.sustained)}" if rule.sustained else ""
