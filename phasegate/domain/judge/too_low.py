"""Whether users are too few to judge a phase by, in the judge's own numbers."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from phasegate.domain.judge import words
from phasegate.domain.judge.absolute import harm
from phasegate.domain.judge.power import base_rate, power_reached
from phasegate.domain.judge.seen import compared
from phasegate.domain.judge.tally import ERRORS
from phasegate.domain.observation import Minute
from phasegate.domain.phase import Phase
from phasegate.domain.plan import RolloutPlan


def too_low(
    plan: RolloutPlan,
    phase: Phase,
    minutes: Iterable[Minute],
    *,
    soaks: Mapping[str, datetime],
    until: datetime,
    now: datetime,
    canary: str,
    control: str,
) -> str | None:
    """
    Why the canary's own traffic cannot carry a verdict on *phase*; empty when it can, None when unknown.

    It is too low when users sent the canary nothing for ``silence_warns``, or when, at the rate of
    that time, a canary at the phase's rollback limit would not have shown beside its control in 95 %
    of releases *until* the soak's end. *minutes* are those of users. With less than half of that time
    known the source is away, and an unknown traffic is not a low one.
    """
    minutes, span = tuple(minutes), plan.telemetry.silence_warns
    settled, begun = now - plan.telemetry.settle, _judged_from(phase, soaks[phase.name])
    lately = [minute for minute in minutes if minute.start >= max(begun, settled - span)]
    known = sum((minute.length for minute in lately), timedelta(0))
    if settled - span < begun or 2 * known < span:
        return None
    served = sum(minute.total(canary) for minute in lately)
    if not served:
        return f"the canary has served no requests of users for {words.lasting(span)}"
    ours, theirs = compared(plan, minutes, soaks=soaks, canary=canary, control=control)
    left, limit = max(until - settled, timedelta(0)), harm(phase)
    expected = ours.served + served * (left / known)
    base = base_rate(*theirs.pairs[ERRORS])
    if limit is None or power_reached(expected, base=base, rate=limit):
        return ""
    return (
        f"the canary served {words.count(served)} requests of users in {words.lasting(known)}; at this rate "
        f"one that fails {words.percent(limit)} would not have shown in 95 % of releases by the soak's end "
        f"({words.count(round(expected))} requests)"
    )


def _judged_from(phase: Phase, since: datetime) -> datetime:
    return since + (phase.soak.warmup if phase.soak else timedelta(0))
