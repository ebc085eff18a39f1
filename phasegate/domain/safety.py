"""
What makes a plan unsafe although every field of it is well-formed.

Each rule yields faults: where in the plan, the value, and what would be allowed. All
rules are asked, so that one reading names every fault.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from phasegate.domain.checklist import JUDGED, By, Item
from phasegate.domain.criteria import ASKED_OF_PEOPLE, LatencyAbove, Level, RollbackThreshold
from phasegate.domain.phase import Environment, Gate, Phase
from phasegate.domain.quantities import format_duration as said
from phasegate.domain.quantities import format_rate
from phasegate.domain.synthetic import unsafe_synthetic

if TYPE_CHECKING:
    from phasegate.domain.plan import RolloutPlan

LEAST_INTERVALS = 3


@dataclass(frozen=True)
class Fault:
    """One thing that makes a plan unsafe: the way to the field, the value and what is allowed."""

    path: tuple[str | int, ...]
    says: str

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))}: {self.says}"


class Faults(ValueError):
    """Every fault of one plan; a ValueError, so that pydantic carries it."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


def unsafe(plan: "RolloutPlan") -> tuple[Fault, ...]:
    """Every reason why *plan* must not start; empty when it may."""
    rules = (
        _names,
        _weights,
        _clocks,
        _settles,
        _waits,
        _alerting,
        _guards,
        _people,
        _soaks,
        _contradictions,
        _health,
        _checklists,
        _synthetic,
    )
    return tuple(chain.from_iterable(rule(plan) for rule in rules))


def _names(plan: "RolloutPlan") -> Iterator[Fault]:
    names = [phase.name for phase in plan.phases]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Fault(("phases", index, "name"), f"{name!r} twice; allowed: each name once")


def _weights(plan: "RolloutPlan") -> Iterator[Fault]:
    for index, (before, after) in enumerate(pairwise(plan.phases), start=1):
        if after.weight <= before.weight:
            yield Fault(
                ("phases", index, "weight"),
                f"{after.weight:g} after {before.weight:g} in {before.name!r}; weights must rise; "
                f"allowed: more than {before.weight:g}, up to 100",
            )
    last = len(plan.phases) - 1
    if plan.phases[last].weight != 100:
        yield Fault(
            ("phases", last, "weight"), f"{plan.phases[last].weight:g} in the last phase; allowed: 100"
        )


def _clocks(plan: "RolloutPlan") -> Iterator[Fault]:
    yield from _between(("interval",), plan.interval, timedelta(seconds=1), timedelta(minutes=15))
    yield from _between(("tick",), plan.tick, timedelta(milliseconds=100), plan.interval)
    telemetry, recovery = plan.telemetry, plan.recovery
    if telemetry.silence_warns >= telemetry.silence_holds:
        yield Fault(
            ("telemetry", "silence_warns"),
            f"{said(telemetry.silence_warns)} with silence_holds {said(telemetry.silence_holds)}; "
            f"allowed: less than {said(telemetry.silence_holds)}",
        )
    if recovery.steady_for >= recovery.limit:
        yield Fault(
            ("recovery", "limit"),
            f"{said(recovery.limit)} with steady_for {said(recovery.steady_for)}; "
            f"allowed: more than {said(recovery.steady_for)}",
        )


def _settles(plan: "RolloutPlan") -> Iterator[Fault]:
    """A slow answer is counted when it is over; an interval that is judged before has only the quick ones."""
    slowest = max(
        (
            (limit.above, phase.name)
            for phase in plan.phases
            for limit in phase.rollback
            if isinstance(limit, LatencyAbove)
        ),
        default=(timedelta(0), ""),
    )
    if slowest[1] and plan.telemetry.settle <= slowest[0]:
        yield Fault(
            ("telemetry", "settle"),
            f"{said(plan.telemetry.settle)}, but {slowest[1]!r} takes back what answers more slowly than "
            f"{said(slowest[0])}, and such an answer is known when it is over; "
            f"allowed: more than {said(slowest[0])}",
        )


def _between(
    path: tuple[str | int, ...], value: timedelta, low: timedelta, high: timedelta
) -> Iterator[Fault]:
    if not low <= value <= high:
        yield Fault(path, f"{said(value)}; allowed: {said(low)} to {said(high)}")


def _waits(plan: "RolloutPlan") -> Iterator[Fault]:
    for index, phase in enumerate(plan.phases):
        for field, gate in (("gate", phase.gate), ("hold", phase.hold)):
            if isinstance(gate, Gate) and gate.limit < timedelta(seconds=1):
                yield Fault(
                    ("phases", index, field, "limit"), f"{said(gate.limit)}; allowed: at least 1s to answer"
                )


def _alerting(plan: "RolloutPlan") -> Iterator[Fault]:
    needed = {alert.level for alert in plan.alerts} | {Level.CRITICAL}
    for level in sorted(needed):
        if not plan.channels.get(level):
            yield Fault(("channels",), f"0 channels for {level.value}; allowed: at least 1")


def _guards(plan: "RolloutPlan") -> Iterator[Fault]:
    for index, phase in enumerate(plan.phases):
        for field, says in _unguarded(phase):
            yield Fault(("phases", index, field), says)


def _unguarded(phase: Phase) -> Iterator[tuple[str, str]]:
    if not any(rule.metric not in ASKED_OF_PEOPLE for rule in phase.success):
        yield "success", "0 criteria that a machine can judge; allowed: at least 1"
    if phase.takes_traffic and not any(_can_act(rule, phase) for rule in phase.rollback):
        yield (
            "rollback",
            f"0 automatic thresholds that can act within the soak at {phase.weight:g} % of production; "
            "allowed: at least 1",
        )
    if phase.environment is Environment.STAGING:
        if phase.weight > 0:
            yield "weight", f"{phase.weight:g} in staging; allowed: 0, staging takes no production traffic"
        return
    for field in ("load", "validation"):
        if getattr(phase, field) is not None:
            yield field, "in a production phase; allowed: in staging phases only"


def _people(plan: "RolloutPlan") -> Iterator[Fault]:
    """What only people can see is asked of somebody."""
    for index, phase in enumerate(plan.phases):
        for which, rule in enumerate(phase.success):
            path = ("phases", index, "success", which, "metric")
            if rule.metric == "attested" and phase.gate is None:
                yield Fault(
                    path,
                    f"attested in {phase.name!r}, which has no gate, so {rule.text!r} is asked of nobody; "
                    "allowed: a gate, or unreported",
                )
            if rule.metric == "unreported" and not phase.takes_traffic:
                yield Fault(
                    path,
                    f"unreported in {phase.name!r}, which takes no traffic; allowed: attested, at a gate",
                )


def _can_act(rule: RollbackThreshold, phase: Phase) -> bool:
    needs = rule.failing_for if rule.metric == "health" else getattr(rule, "sustained", None)
    longest = phase.soak.duration if phase.soak else timedelta.max
    return rule.metric != "reported" and (needs or timedelta(0)) <= longest


def _soaks(plan: "RolloutPlan") -> Iterator[Fault]:
    least = LEAST_INTERVALS * plan.interval
    for index, phase in enumerate(plan.phases):
        if phase.environment is Environment.STAGING:
            continue
        if phase.soak is None:
            yield Fault(
                ("phases", index, "soak"),
                f"none at {phase.weight:g} % of production; allowed: a duration of at least {said(least)}",
            )
        elif phase.soak.duration - phase.soak.warmup < least:
            yield Fault(
                ("phases", index, "soak", "duration"),
                f"{said(phase.soak.duration)} with a warmup of {said(phase.soak.warmup)}; allowed: at least "
                f"{said(least + phase.soak.warmup)}, three intervals after the warmup",
            )


def _contradictions(plan: "RolloutPlan") -> Iterator[Fault]:
    for index, phase in enumerate(plan.phases):
        for which, rule in enumerate(phase.rollback):
            path = ("phases", index, "rollback", which, "above")
            for criterion in phase.success:
                if rule.metric == "error-rate" == criterion.metric and rule.above < criterion.below:
                    yield Fault(path, _tighter(format_rate(rule.above), format_rate(criterion.below)))
                if (
                    rule.metric == "latency" == criterion.metric
                    and rule.percentile == criterion.percentile
                    and rule.above < criterion.below
                ):
                    yield Fault(path, _tighter(said(rule.above), said(criterion.below)))


def _tighter(above: str, below: str) -> str:
    return f"{above} takes back what success accepts below {below}; allowed: {below} or more"


def _health(plan: "RolloutPlan") -> Iterator[Fault]:
    yield from _between(
        ("health", "every"), plan.health.every, timedelta(milliseconds=100), timedelta(hours=1)
    )
    yield from _between(
        ("health", "within"), plan.health.within, timedelta(milliseconds=1), plan.health.every
    )
    for index, phase in enumerate(plan.phases):
        for which, rule in enumerate(phase.rollback):
            if rule.metric == "health" and rule.failing_for < plan.health.every:
                yield Fault(
                    ("phases", index, "rollback", which, "failing_for"),
                    f"{said(rule.failing_for)} while health is asked every {said(plan.health.every)}; "
                    f"allowed: at least {said(plan.health.every)}",
                )


def _synthetic(plan: "RolloutPlan") -> Iterator[Fault]:
    for path, says in unsafe_synthetic(plan):
        yield Fault(path, says)


def _checklists(plan: "RolloutPlan") -> Iterator[Fault]:
    yield from _items(plan, ("preflight",), plan.preflight)
    for index, phase in enumerate(plan.phases):
        yield from _items(plan, ("phases", index, "checklist"), phase.checklist)
    for period, items in plan.verification.items():
        yield from _items(plan, ("verification", period), items)


def _items(plan: "RolloutPlan", path: tuple[str | int, ...], items: tuple[Item, ...]) -> Iterator[Fault]:
    validated = any(phase.validation for phase in plan.phases)
    keys = [item.key for item in items]
    for index, item in enumerate(items):
        if item.key in keys[:index]:
            yield Fault((*path, index, "key"), f"{item.key!r} twice in one list; allowed: each key once")
        if item.by is By.PERSON and item.check:
            yield Fault((*path, index, "check"), f"{item.check!r} on an item by person; allowed: none")
        if item.by is By.MACHINE and not item.check:
            yield Fault((*path, index, "check"), "none on an item by machine; allowed: what proves it")
        if item.by is By.MACHINE and item.check and item.check not in JUDGED and not validated:
            yield Fault(
                (*path, index, "check"),
                f"{item.check!r} but no phase has a validation that prints it; allowed: {', '.join(JUDGED)}",
            )
