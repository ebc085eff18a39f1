"""phasegate's own judge for a backtest, on arrays: the comparison with the control, and a plan's limits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from math import inf, log

import numpy as np

from phasegate.domain.judge import absolute
from phasegate.domain.judge import latency as judged
from phasegate.domain.judge.course import Course, Leg, Past, has_control
from phasegate.domain.judge.latency import Rules
from phasegate.domain.judge.setting import TOLERANCE, setting
from phasegate.domain.judge.tally import ERRORS
from phasegate.domain.judge.trial import REST_SHARE
from phasegate.domain.plan import Attribution, Phase, RolloutPlan
from phasegate.simulation import scenario
from phasegate.simulation.judging import NEVER, first
from phasegate.simulation.rollouts import Arm, Floats, Ints, Rollouts
from phasegate.simulation.twin import latency
from phasegate.simulation.twin.evidence import gathered, log_evidence
from phasegate.simulation.twin.limits import ArrayLimit, breached, earliest

# A stream with four times the evidence that is needed decides, whatever the others say.
_SURE = log(4)
Stream = tuple[Ints, Ints]


@dataclass(frozen=True, slots=True)
class Terms:
    """
    What a plan says about the comparison and its limits; the default is what plans have by default.

    *limits* are, phase by phase, ``(cut in ms or None for errors, limit)``; *cuts* are those of the
    plan's own latency limits. *attributed*: a breach that the control shares is excused for a while.
    """

    alpha: float = 0.01
    error_tolerance: float = TOLERANCE
    latency_tolerance: float = 1.1
    strict: bool = False
    limits: tuple[tuple[tuple[int | None, ArrayLimit], ...], ...] = ()
    cuts: tuple[int, ...] = ()
    attributed: bool = False

    @property
    def decisive(self) -> float:
        """ln E at which the canary is harmful."""
        return log(1 / self.alpha)

    @property
    def comparison(self) -> "Terms":
        """The part that evidence depends on."""
        return replace(self, limits=(), attributed=False)


class ErrorEvidence:
    """One stream of errors against its control and nothing else: what the judge's design was measured by."""

    name = "phasegate, errors alone"

    def __init__(self, terms: Terms) -> None:
        self._terms = terms

    def stops(self, rollouts: Rollouts) -> Ints:
        """See :class:`.BacktestJudge`."""
        found = log_errors(rollouts, self._terms.comparison, enough=self._terms.decisive + _SURE)
        return _waited(first(found >= self._terms.decisive), rollouts)


class LatencyEvidence:
    """Latency against its control and nothing else."""

    name = "phasegate, latency alone"

    def __init__(self, terms: Terms) -> None:
        self._terms = terms

    def stops(self, rollouts: Rollouts) -> Ints:
        """See :class:`.BacktestJudge`."""
        return _waited(first(log_latency(rollouts, self._terms.comparison) >= self._terms.decisive), rollouts)


class Phasegate:
    """All that takes a version back without a person: errors, endpoints, latency, and the plan's limits."""

    def __init__(self, terms: Terms, *, name: str = "phasegate") -> None:
        self.name, self._terms = name, terms

    def stops(self, rollouts: Rollouts) -> Ints:
        """See :class:`.BacktestJudge`."""
        terms, counted = self._terms, rollouts.unscaled()
        found = log_trial(rollouts, terms.comparison, enough=terms.decisive + _SURE)
        stops = first(found >= terms.decisive)
        for begin, (length, _), limits in zip(
            counted.course.steps, counted.course.phases, terms.limits, strict=False
        ):
            stops = earliest(stops, self._broken(counted, slice(begin, begin + length), limits, stops))
        return _waited(stops, rollouts)

    def _broken(
        self, counted: Rollouts, span: slice, limits: Sequence[tuple[int | None, ArrayLimit]], stops: Ints
    ) -> Ints:
        warm = int((~counted.course.judged[span]).sum())
        span = slice(span.start + warm, span.stop)
        left = np.maximum(np.where(stops == NEVER, counted.intervals, stops) - span.start, 1)
        found = np.full(len(stops), NEVER, dtype=np.int64)
        for cut, limit in limits:
            arms = [_counted(arm, cut, counted.cuts, span) for arm in (counted.canary, counted.control)]
            if arms[0] is not None and arms[1] is not None:
                broken = breached(arms[0], arms[1], (limit,), attributed=self._terms.attributed, until=left)
                found = earliest(found, broken)
        return np.where(found == NEVER, NEVER, found + span.start)


def log_trial(rollouts: Rollouts, terms: Terms, *, enough: float = inf) -> Floats:
    """
    ln E of errors, endpoints and latency together, shape (rollouts, intervals): ``domain.judge.trial``.

    What comes after *enough* is not told.
    """
    alone = rollouts.canary.by_endpoint is None and rollouts.canary.slow is None
    whole = log_errors(rollouts, terms, enough=enough if alone else inf)
    each = log_endpoints(rollouts, terms)
    errors = whole if each is None else np.logaddexp(whole, _spread(each)) - log(2)
    course = _course(rollouts.course)
    shares = np.array([judged.share(float(one), course) for one in rollouts.history.traffic])[:, None]
    slow = np.log(shares) + log_latency(rollouts, terms)
    return np.asarray(np.logaddexp(np.log(1 - shares) + errors, slow))


# Judges of one table share their evidence: it is what takes the time.
@lru_cache(maxsize=2)
def log_errors(rollouts: Rollouts, terms: Terms, *, enough: float = inf) -> Floats:
    """ln E of all requests' errors, shape (rollouts, intervals)."""
    settled, past = _judged(rollouts), rollouts.history
    return _streams(
        (settled.canary.errors, settled.canary.total),
        (settled.control.errors, settled.control.total),
        [
            Past((int(bad), int(total)), float(traffic), scatter)
            for bad, total, traffic, scatter in zip(
                past.errors, past.total, past.traffic, past.scatter, strict=True
            )
        ],
        settled.course,
        terms,
        enough=enough,
    )


@lru_cache(maxsize=2)
def log_endpoints(rollouts: Rollouts, terms: Terms) -> Floats | None:
    """ln E of every endpoint's errors, shape (rollouts, endpoints, intervals), if they are counted."""
    settled, past = _judged(rollouts), rollouts.history
    canary, control, before = settled.canary.by_endpoint, settled.control.by_endpoint, past.by_endpoint
    if canary is None or control is None or before is None:
        return None
    count = canary[0].shape[-1]
    parts = before[0] / np.maximum(past.total, 1)[:, None]
    pasts = [
        Past((int(bad), int(total)), float(traffic), scatter)
        for bad, total, traffic, scatter in zip(
            before[1].ravel(),
            before[0].ravel(),
            (past.traffic[:, None] * parts).ravel(),
            [one for one in past.scatter for _ in range(count)],
            strict=True,
        )
    ]
    flat = _streams(_flat(canary), _flat(control), pasts, settled.course, terms, enough=inf)
    return flat.reshape(settled.count, count, -1)


@lru_cache(maxsize=2)
def log_latency(rollouts: Rollouts, terms: Terms) -> Floats:
    """ln E of the latency, shape (rollouts, intervals); 0 where slow requests are not counted."""
    settled, slow = _judged(rollouts), rollouts.history.slow
    if slow is None or settled.canary.slow is None:
        return np.zeros(settled.canary.total.shape)
    limits = tuple(cut for cut in terms.cuts if cut in settled.cuts)
    rules = Rules(settled.cuts, limits, terms.latency_tolerance, _course(settled.course))
    return latency.log_evidence(
        settled.canary,
        settled.control,
        slow,
        settled.history.coarse[1][:, 0],
        settled.course.steps[1:],
        rules=rules,
    )


def _spread(each: Floats) -> Floats:
    """ln of the mean over the endpoints; the judge's stream for those it meets later stays empty here."""
    named = np.logaddexp.reduce(each, axis=1) + log((1 - REST_SHARE) / each.shape[1])
    return np.asarray(np.logaddexp(named, log(REST_SHARE)))


def terms_of(plan: RolloutPlan) -> Terms:
    """The terms of *plan*."""
    return Terms(
        alpha=plan.alpha,
        error_tolerance=plan.comparison.error_tolerance,
        latency_tolerance=plan.comparison.latency_tolerance,
        strict=plan.comparison.strict,
        limits=tuple(_limits(plan, phase) for phase in _compared(plan)),
        cuts=plan.cuts,
        attributed=plan.attribution is Attribution.ATTRIBUTED,
    )


def course_of(plan: RolloutPlan) -> scenario.Course:
    """The phases of *plan* in which canary and control can be compared, in intervals."""
    soaks = [(phase, phase.soak) for phase in _compared(plan) if phase.soak]
    return scenario.Course(
        phases=tuple((round(soak.duration / plan.interval), phase.weight / 100) for phase, soak in soaks),
        seconds=plan.interval.total_seconds(),
        warmup=tuple(round(soak.warmup / plan.interval) for _, soak in soaks),
    )


def _compared(plan: RolloutPlan) -> Sequence[Phase]:
    return [phase for phase in plan.phases if has_control(phase) and phase.soak]


def _limits(plan: RolloutPlan, phase: Phase) -> tuple[tuple[int | None, ArrayLimit], ...]:
    return tuple(
        (None if one.measure.slot == ERRORS else plan.cuts[one.measure.slot - 1], _limit(one, plan.interval))
        for one in absolute.limits(plan, phase)
    )


def _limit(one: absolute.Limit, interval: timedelta) -> ArrayLimit:
    sustained = round(one.sustained / interval) if one.sustained else None
    return ArrayLimit(one.measure.limit, one.good, one.budget, sustained)


def _judged(rollouts: Rollouts) -> Rollouts:
    """Settled counts of the intervals that are judged, as requests that were really counted."""
    return rollouts.unscaled().warmed_up()


def _waited(stops: Ints, rollouts: Rollouts) -> Ints:
    """Counts that still grow are waited for."""
    return np.where(stops == NEVER, NEVER, np.minimum(stops + rollouts.lag, rollouts.intervals))


def _streams(
    canary: Stream,
    control: Stream,
    pasts: list[Past],
    course: scenario.Course,
    terms: Terms,
    *,
    enough: float,
) -> Floats:
    legs = _course(course)
    settings = [setting(past, legs, rho=terms.error_tolerance, strict=terms.strict) for past in pasts]
    arms = [(bad.astype(float), total.astype(float)) for bad, total in (canary, control)]
    return log_evidence(arms[0], arms[1], course.steps[1:], how=gathered(settings), enough=enough)


def _course(course: scenario.Course) -> Course:
    return Course(tuple(Leg(share, length) for length, share in course.phases), course.seconds / 60)


def _flat(ends: Stream) -> Stream:
    """Every endpoint of every rollout as a stream of its own: (bad, total), shape (streams, intervals)."""
    total, errors = (np.moveaxis(one, -1, 1).reshape(-1, one.shape[1]) for one in ends)
    return errors, total


def _counted(arm: Arm, cut: int | None, cuts: tuple[int, ...], span: slice) -> Stream | None:
    """(bad, total) of the failed requests, or of those slower than *cut*; None where nobody counted them."""
    if cut is None:
        return arm.errors[:, span], arm.total[:, span]
    if arm.slow is None or cut not in cuts:
        return None
    return arm.slow[:, span, cuts.index(cut)], arm.total[:, span]
