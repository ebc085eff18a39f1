"""Recorded releases as rollouts: what the other judges would have done with them, and ours."""

from datetime import datetime
from math import ceil

import numpy as np

from phasegate.domain.errors import RecordingError
from phasegate.domain.judge.course import has_control
from phasegate.domain.judge.replay import looks, without_unrecorded
from phasegate.domain.observation import Minute
from phasegate.domain.plan import RolloutPlan
from phasegate.domain.recording import RecordedSoak, Watched
from phasegate.domain.verdict import Finding
from phasegate.simulation.judging import NEVER
from phasegate.simulation.rollouts import Arm, History, Ints, Rollouts
from phasegate.simulation.scenario import Course


def recorded(plan: RolloutPlan, seen: Watched, *, onset: int = 0) -> Rollouts:
    """
    The intervals of *seen* in which canary and control could be compared, as one rollout.

    Missing intervals are empty. Without a recorded history the control's own requests stand for
    it. Raises RecordingError when no phase with a control was recorded.
    """
    soaks = _compared(plan, seen)
    if not soaks:
        raise RecordingError(f"{seen.worker or 'the recording'}: no phase in which a control takes traffic")
    since, until = soaks[0].since, soaks[-1].until
    length = max(1, ceil((until - since) / plan.interval))
    arms = [_arm(plan, seen.minutes, version, soaks[0], length) for version in (seen.canary, seen.control)]
    begins = [round((soak.since - since) / plan.interval) for soak in soaks]
    ends = [*begins[1:], length]
    course = Course(
        phases=tuple(
            (end - begin, plan.phase(soak.phase).weight / 100)
            for begin, end, soak in zip(begins, ends, soaks, strict=True)
        ),
        seconds=plan.interval.total_seconds(),
    )
    return Rollouts(arms[0], arms[1], _history(seen, arms[1], since=since), course, onset=onset)


def stopped(plan: RolloutPlan, seen: Watched) -> Ints:
    """After which interval the judge of a release takes *seen* back, shape (1,), or NEVER."""
    soaks = _compared(plan, seen)
    sayable, _ = without_unrecorded(plan, seen)
    for look in looks(sayable, seen):
        verdict = look.verdict
        if verdict.finding is Finding.HARMFUL and soaks and verdict.at > soaks[0].since:
            known = verdict.judged_until or verdict.at
            return np.array([max(1, ceil((known - soaks[0].since) / plan.interval))])
    return np.array([NEVER])


def _compared(plan: RolloutPlan, seen: Watched) -> list[RecordedSoak]:
    return [soak for soak in seen.soaks if seen.control and has_control(plan.phase(soak.phase))]


def _arm(
    plan: RolloutPlan, minutes: tuple[Minute, ...], version: str, first: RecordedSoak, length: int
) -> Arm:
    total, errors = np.zeros((1, length), dtype=np.int64), np.zeros((1, length), dtype=np.int64)
    for minute in minutes:
        at = round((minute.start - first.since) / plan.interval)
        if 0 <= at < length:
            total[0, at] += max(minute.total(version), minute.errors(version))
            errors[0, at] += minute.errors(version)
    return Arm(total, errors)


def _history(seen: Watched, control: Arm, *, since: datetime) -> History:
    before = [*seen.history, *(minute for minute in seen.minutes if minute.start < since)]
    total = sum(minute.total(seen.control) for minute in before)
    errors = sum(minute.errors(seen.control) for minute in before)
    if not total:
        total, errors = int(control.total.sum()), int(control.errors.sum())
    nothing = np.zeros((1, 1), dtype=np.int64)
    return History((np.array([[errors]]), np.array([[total]])), (nothing, nothing))
