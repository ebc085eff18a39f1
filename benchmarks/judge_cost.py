"""What the judge of a release costs: CPU of an update and a look, bytes of state."""

import json
import statistics
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from benchmarks.judge_cells import TRAFFIC
from phasegate.adapters.plan_yaml import load_plan
from phasegate.domain.judge import comparison, latency
from phasegate.domain.judge.course import Course, Leg, Past
from phasegate.domain.judge.judge import Judge
from phasegate.domain.judge.setting import setting
from phasegate.domain.judge.stream import begin, state
from phasegate.domain.plan import RolloutPlan
from phasegate.simulation import minutes
from phasegate.simulation.draw import draw
from phasegate.simulation.rollouts import Rollouts
from phasegate.simulation.scenario import Scenario

ROUNDS = 5
PLANS = Path(__file__).parent.parent / "deployments" / "plans"
RUNBOOK = Course((Leg(0.1, 120), Leg(0.5, 240)), 1.0)


@dataclass(frozen=True)
class Cost:
    """Milliseconds of CPU and bytes of JSON; the greatest over all traffics."""

    update_errors: float
    update_latency: float
    add: float
    verdict: float
    stream_bytes: int
    judge_bytes: int

    @property
    def core_share(self) -> float:
        """The share of a core for 500 rollouts, each fed and asked once a minute."""
        return 500 * (self.add + self.verdict) / 60_000


def cost() -> Cost:
    """Measured on six hours of one version and its control, at every traffic."""
    plan = load_plan("production", search=(PLANS,))
    found = [_at(plan, draw(Scenario(traffic, cuts=plan.counted), 1)) for traffic in TRAFFIC]
    return Cost(*(max(one[at] for one in found) for at in range(6)))  # type: ignore[arg-type]


def _at(plan: RolloutPlan, drawn: Rollouts) -> tuple[float, float, float, float, int, int]:
    errors, kept = _errors(drawn)
    add, verdict, whole = _judge(plan, drawn)
    return errors, _latency(plan, drawn), add, verdict, kept, whole


def _errors(drawn: Rollouts) -> tuple[float, int]:
    past = drawn.history
    how = setting(Past((int(past.errors[0]), int(past.total[0])), float(past.traffic[0])), RUNBOOK)
    pairs = [
        tuple((int(arm.errors[0, at]), int(arm.total[0, at])) for arm in (drawn.canary, drawn.control))
        for at in range(drawn.intervals)
    ]

    def once() -> object:
        kept = comparison.begin(how)
        for canary, control in pairs:
            kept = comparison.compared(kept, canary, control, how=how)
            comparison.log_evidence(kept, how=how)
        return kept

    stream, started = begin(how), minutes.BEGIN
    for canary, control in pairs:
        stream = stream.add(started, canary, control)
    return _timed(once, len(pairs)), len(json.dumps(state(stream)))


def _latency(plan: RolloutPlan, drawn: Rollouts) -> float:
    rules = latency.Rules(plan.counted, plan.cuts, plan.comparison.latency_tolerance, RUNBOOK)
    assert drawn.canary.slow is not None
    assert drawn.control.slow is not None
    ladders = [
        tuple(
            latency.Ladder(tuple(slow[0, at].tolist()), int(total[0, at]))
            for slow, total in (
                (drawn.canary.slow, drawn.canary.total),
                (drawn.control.slow, drawn.control.total),
            )
        )
        for at in range(drawn.intervals)
    ]

    def once() -> object:
        kept = latency.begin(rules)
        for canary, control in ladders:
            kept = latency.compared(kept, canary, control, rules=rules)
        return kept

    return _timed(once, len(ladders))


def _judge(plan: RolloutPlan, drawn: Rollouts) -> tuple[float, float, int]:
    rows, history = list(minutes.rolled_out(drawn, 0)), list(minutes.remembered(drawn, 0))
    judge = Judge(plan, control=minutes.CONTROL, canary=minutes.CANARY)
    for minute in history:
        judge.learn(minute)
    adds = verdicts = 0.0
    for at, minute in enumerate(rows):
        if at in drawn.course.steps:
            judge.enter(("canary", "partial")[drawn.course.steps.index(at)], minute.start)
        began = time.process_time()
        judge.add(minute)
        between = time.process_time()
        judge.verdict(minute.end + timedelta(minutes=2))
        adds, verdicts = adds + between - began, verdicts + time.process_time() - between
    return adds * 1000 / len(rows), verdicts * 1000 / len(rows), len(json.dumps(judge.state()))


def _timed(once: object, updates: int) -> float:
    took = []
    for _ in range(ROUNDS):
        began = time.process_time()
        once()  # type: ignore[operator]
        took.append(time.process_time() - began)
    return statistics.median(took) * 1000 / updates
