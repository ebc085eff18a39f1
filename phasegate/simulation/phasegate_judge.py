"""phasegate's own judge for a backtest: evidence and absolute limits of a plan, on arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import inf, log

import numpy as np

from phasegate.domain.judge import absolute
from phasegate.domain.judge.course import Course, Leg, Past, has_control
from phasegate.domain.judge.setting import setting
from phasegate.domain.judge.tally import ERRORS
from phasegate.domain.plan import Attribution, Phase, RolloutPlan
from phasegate.simulation import scenario
from phasegate.simulation.judging import NEVER, first
from phasegate.simulation.rollouts import DAY, Arm, Floats, Ints, Rollouts
from phasegate.simulation.twin.evidence import gathered, log_evidence
from phasegate.simulation.twin.limits import ArrayLimit, breached, earliest


class Comparative:
    """The comparison with the control alone: takes back when E reaches 1/alpha."""

    def __init__(self, *, alpha: float = 0.01, strict: bool = False) -> None:
        self.name = "phasegate, strict evidence" if strict else "phasegate, evidence"
        self._alpha, self._strict = alpha, strict

    def stops(self, rollouts: Rollouts) -> Ints:
        """See :class:`.BacktestJudge`."""
        stops = first(self.log_evidence(rollouts, enough=log(1 / self._alpha)) >= log(1 / self._alpha))
        return np.where(stops == NEVER, NEVER, np.minimum(stops + rollouts.lag, rollouts.intervals))

    def log_evidence(self, rollouts: Rollouts, *, enough: float = inf) -> Floats:
        """
        ln E of the errors after each interval, shape (rollouts, intervals).

        With endpoints half of it is the mean of theirs. What comes after *enough* is not told.
        """
        settled, past = rollouts.unscaled(), rollouts.history
        canary, control = (arm.only(rollouts.course.judged) for arm in (settled.canary, settled.control))
        phi = past.dispersion
        ends = canary.by_endpoint, control.by_endpoint, past.by_endpoint
        if ends[0] is None or ends[1] is None or ends[2] is None:
            return self._streams(
                _pair(canary), _pair(control), (past.errors, past.total, phi), rollouts.course, enough=enough
            )
        whole = self._streams(
            _pair(canary), _pair(control), (past.errors, past.total, phi), rollouts.course, enough=inf
        )
        count = ends[0][0].shape[-1]
        flat = self._streams(
            _flat(ends[0]),
            _flat(ends[1]),
            (ends[2][1].ravel(), ends[2][0].ravel(), np.repeat(phi, count)),
            rollouts.course,
            enough=inf,
        )
        mean = np.logaddexp.reduce(flat.reshape(rollouts.count, count, -1), axis=1) - log(count)
        return np.asarray(np.logaddexp(whole, mean) - log(2))

    def _streams(
        self,
        canary: tuple[Ints, Ints],
        control: tuple[Ints, Ints],
        past: tuple[Ints, Ints, Floats],
        course: scenario.Course,
        *,
        enough: float,
    ) -> Floats:
        legs, share_of_day = _course(course), course.seconds / DAY
        settings = [
            setting(
                Past((int(bad), int(total)), float(total) * share_of_day, float(phi)),
                legs,
                strict=self._strict,
            )
            for bad, total, phi in zip(*past, strict=True)
        ]
        arms = [(bad.astype(float), total.astype(float)) for bad, total in (canary, control)]
        return log_evidence(arms[0], arms[1], course.steps[1:], how=gathered(settings), enough=enough)


@dataclass(frozen=True, slots=True)
class Limits:
    """The error-rate limits of each phase of a course, in its order."""

    phases: tuple[tuple[ArrayLimit, ...], ...]
    attributed: bool = False


class Phasegate:
    """Evidence and absolute limits together, as a release is judged."""

    name = "phasegate"

    def __init__(self, limits: Limits, *, alpha: float = 0.01) -> None:
        self._limits, self._evidence = limits, Comparative(alpha=alpha)

    def stops(self, rollouts: Rollouts) -> Ints:
        """See :class:`.BacktestJudge`."""
        stops = self._evidence.stops(rollouts)
        settled, judged = rollouts.unscaled(), rollouts.course.judged
        for begin, (length, _), limits in zip(
            rollouts.course.steps, rollouts.course.phases, self._limits.phases, strict=True
        ):
            span = slice(begin + int((~judged[begin : begin + length]).sum()), begin + length)
            open_ = np.where(stops == NEVER, rollouts.intervals, stops) - span.start
            found = breached(
                _span(settled.canary, span),
                _span(settled.control, span),
                limits,
                attributed=self._limits.attributed,
                until=np.maximum(open_, 1),
            )
            lagged = np.minimum(found + span.start + rollouts.lag, rollouts.intervals)
            stops = earliest(stops, np.where(found == NEVER, NEVER, lagged))
        return stops


def limits_of(plan: RolloutPlan) -> Limits:
    """The error-rate limits of the phases that *plan* compares."""
    phases = tuple(
        tuple(
            _limit(one, plan.interval) for one in absolute.limits(plan, phase) if one.measure.slot == ERRORS
        )
        for phase in _compared(plan)
    )
    return Limits(phases, attributed=plan.attribution is Attribution.ATTRIBUTED)


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


def _limit(one: absolute.Limit, interval: timedelta) -> ArrayLimit:
    sustained = round(one.sustained / interval) if one.sustained else None
    return ArrayLimit(one.measure.limit, one.good, one.budget, sustained)


def _course(course: scenario.Course) -> Course:
    return Course(tuple(Leg(share, length) for length, share in course.phases), course.seconds / 60)


def _pair(arm: Arm) -> tuple[Ints, Ints]:
    return arm.errors, arm.total


def _span(arm: Arm, span: slice) -> tuple[Ints, Ints]:
    return arm.errors[:, span], arm.total[:, span]


def _flat(ends: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """Every endpoint of every rollout as a stream of its own: (bad, total), shape (streams, intervals)."""
    total, errors = (np.moveaxis(one, -1, 1).reshape(-1, one.shape[1]) for one in ends)
    return errors, total
