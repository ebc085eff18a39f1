"""What a plan can see at a service's traffic, phase by phase, before anything is deployed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil

from phasegate.domain.criteria import ErrorRateBelow, LatencyBelow
from phasegate.domain.judge import absolute
from phasegate.domain.judge.course import has_control
from phasegate.domain.judge.measure import Measure, measure
from phasegate.domain.judge.power import (
    LIKELY,
    Firing,
    Sight,
    clean_requests,
    firings,
    first_requests,
    information,
    requests_to_prove,
    sight,
)
from phasegate.domain.judge.tally import ERRORS
from phasegate.domain.phase import Environment
from phasegate.domain.plan import Phase, RolloutPlan

USUAL_ERRORS = 0.0005
_LEAST_BASE = 1e-6
_FOREVER = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Traffic:
    """
    What a service serves: requests a second, its share of failed ones, and of slow ones by cut.

    ``slow`` goes from the cut in milliseconds to the share of requests slower than it; a cut
    that is not there is taken for half of what a criterion allows. ``source`` says in words
    where the numbers are from.
    """

    rps: float
    errors: float = USUAL_ERRORS
    slow: Mapping[int, float] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True, slots=True)
class Proving:
    """
    When "below the limit" is proved: after *clean* requests without a bad one, *needed* at the base rate.

    ``after`` counts from the start of the phase at the base rate; None: never.
    """

    clean: int | None
    needed: int | None
    after: timedelta | None
    in_time: bool


@dataclass(frozen=True, slots=True)
class Showing:
    """
    When an error rate of *harm* would have shown beside the control in 95 % of releases.

    The judge takes that for enough: an error rate need not be proved then.
    """

    harm: float
    needed: int
    after: timedelta | None
    in_time: bool


@dataclass(frozen=True, slots=True)
class Rate:
    """One success criterion of a phase; what needs a control is None where there is none."""

    measure: Measure
    base: float
    seen: Sight | None
    proving: Proving
    showing: Showing | None

    @property
    def in_time(self) -> bool:
        """Whether the soak with every extension is expected to be enough."""
        return self.proving.in_time or (self.showing is not None and self.showing.in_time)


@dataclass(frozen=True, slots=True)
class Guard:
    """
    One absolute limit: the bad requests in a row that make it fire, and its windows.

    ``after`` is the soonest that it can fire, from the start of the phase, when all fail; None: never.
    """

    limit: absolute.Limit
    soonest: int | None
    after: timedelta | None
    windows: tuple[Firing, ...]


@dataclass(frozen=True, slots=True)
class Outlook:
    """
    What one phase can see: *judged* is its soak without the warmup, *requests* the canary's in it.

    ``pooled`` counts those of the phases before as well; evidence and proof go on from phase to phase.
    """

    phase: Phase
    judged: timedelta
    longest: timedelta
    per_second: float
    requests: float
    pooled: float
    rates: tuple[Rate, ...]
    guards: tuple[Guard, ...]


def outlook(plan: RolloutPlan, traffic: Traffic) -> tuple[Outlook, ...]:
    """
    What each phase of *plan* that takes requests can see at *traffic*, in the plan's order.

    In staging the requests are those of the load test, and nothing is compared.
    """
    found: list[Outlook] = []
    for phase in plan.phases:
        if phase.takes_traffic or phase.load:
            before = [one for one in found if one.phase.environment is phase.environment]
            found.append(_phase(plan, phase, traffic, before=before[-1].pooled if before else 0.0))
    return tuple(found)


def _phase(plan: RolloutPlan, phase: Phase, traffic: Traffic, *, before: float) -> Outlook:
    per_second = _per_second(phase, traffic)
    judged, longest = _spans(phase)
    requests = per_second * judged.total_seconds()
    rules = [rule for rule in phase.success if isinstance(rule, ErrorRateBelow | LatencyBelow)]
    return Outlook(
        phase=phase,
        judged=judged,
        longest=longest,
        per_second=per_second,
        requests=requests,
        pooled=before + requests,
        rates=tuple(
            _rate(plan, phase, measure(rule, plan.cuts), traffic, before=before, per_second=per_second)
            for rule in rules
        ),
        guards=tuple(_guard(plan, phase, limit, per_second) for limit in absolute.limits(plan, phase)),
    )


def _per_second(phase: Phase, traffic: Traffic) -> float:
    if phase.environment is Environment.STAGING:
        return phase.load.rate if phase.load else 0.0
    return traffic.rps * phase.weight / 100


def _spans(phase: Phase) -> tuple[timedelta, timedelta]:
    """What is judged of the soak, and of the soak with every extension."""
    if phase.soak is None:
        length = phase.load.duration if phase.load else timedelta(0)
        return length, length
    judged = phase.soak.duration - phase.soak.warmup
    return judged, judged + phase.soak.extensions * phase.soak.duration / 2


def _rate(
    plan: RolloutPlan, phase: Phase, measured: Measure, traffic: Traffic, *, before: float, per_second: float
) -> Rate:
    base = max(_base(plan, measured, traffic), _LEAST_BASE)
    judged, longest = _spans(phase)
    pooled = before + per_second * judged.total_seconds()

    def served(requests: int | None) -> tuple[timedelta | None, bool]:
        after = _after(phase, requests, before=before, per_second=per_second)
        warmup = phase.soak.warmup if phase.soak else timedelta(0)
        return after, after is not None and after - warmup <= longest

    needed = requests_to_prove(measured.limit, base=base, alpha=plan.alpha)
    shows = _requests_to_show(phase, measured, base)
    return Rate(
        measure=measured,
        base=base,
        seen=sight(pooled, base=base) if has_control(phase) else None,
        proving=Proving(clean_requests(measured.limit, alpha=plan.alpha), needed, *served(needed)),
        showing=Showing(*shows, *served(shows[1])) if shows else None,
    )


def _requests_to_show(phase: Phase, measured: Measure, base: float) -> tuple[float, int] | None:
    """The harmful error rate of *phase* and the requests that show it; doubtful counts never suffice."""
    harm = absolute.harm(phase)
    if harm is None or measured.slot != ERRORS or not has_control(phase) or base >= min(measured.limit, harm):
        return None
    return harm, ceil(LIKELY / information(harm, base=base))


def _base(plan: RolloutPlan, measured: Measure, traffic: Traffic) -> float:
    if measured.slot == ERRORS:
        return traffic.errors
    return traffic.slow.get(plan.cuts[measured.slot - 1], measured.limit / 2)


def _after(phase: Phase, needed: int | None, *, before: float, per_second: float) -> timedelta | None:
    if needed is None or not per_second:
        return None
    seconds = max(needed - before, 0.0) / per_second
    if seconds > _FOREVER.total_seconds():
        return None
    return (phase.soak.warmup if phase.soak else timedelta(0)) + timedelta(seconds=ceil(seconds))


def _guard(plan: RolloutPlan, phase: Phase, limit: absolute.Limit, per_second: float) -> Guard:
    soonest = first_requests(limit)
    return Guard(
        limit=limit,
        soonest=soonest,
        after=_fires_after(
            plan, phase, limit, seconds=soonest / per_second if soonest and per_second else None
        ),
        windows=firings(
            limit, per_interval=per_second * plan.interval.total_seconds(), interval=plan.interval
        ),
    )


def _fires_after(
    plan: RolloutPlan, phase: Phase, limit: absolute.Limit, *, seconds: float | None
) -> timedelta | None:
    """From the start of the phase: an interval must be complete and settled before it is judged."""
    if seconds is None or seconds > _FOREVER.total_seconds():
        return None
    warmup = phase.soak.warmup if phase.soak else timedelta(0)
    intervals = ceil(timedelta(seconds=seconds) / plan.interval) * plan.interval
    return warmup + max(intervals, limit.sustained or timedelta(0)) + plan.telemetry.settle
