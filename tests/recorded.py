"""A release as it is recorded: a canary at 10 % of ten requests a second, good or bad from some minute on."""

from datetime import datetime, timedelta
from typing import Any

from phasegate.domain.judge import Judge
from phasegate.domain.observation import Minute
from phasegate.domain.phase import Environment
from phasegate.domain.plan import RolloutPlan
from phasegate.domain.recording import RecordedSoak, Watched
from phasegate.domain.verdict import Verdict
from tests.domain.judge_cases import CANARY, MINUTE, STABLE, a_minute, a_plan, a_probe, after, served

# Soaks do not begin on the minute.
ODD = timedelta(seconds=20)
SETTLE = 2 * MINUTE


def counted(at: int, *, failed: int = 0, weight: int = 10) -> Minute:
    """One minute at *weight* percent of 600 requests, *failed* of the canary's, on two endpoints."""
    canary = 6 * weight
    return a_minute(
        at,
        served(STABLE, 600 - canary, 0, endpoint="/a"),
        served(CANARY, canary // 2, failed, endpoint="/a"),
        served(CANARY, canary - canary // 2, 0, endpoint="/b"),
    )


def seen(
    *, minutes: int = 120, history: int = 5, bad_from: int | None = None, probes: bool = True, **changes: Any
) -> Watched:
    """A canary phase of *minutes* that begins 20 s after T0, and its history."""
    counts = [
        counted(at, failed=6 if bad_from is not None and at >= bad_from else 0) for at in range(minutes)
    ]
    fields = {
        "environment": Environment.PRODUCTION,
        "worker": "api",
        "control": STABLE,
        "canary": CANARY,
        "soaks": (RecordedSoak(phase="canary", since=after(0) + ODD, until=after(minutes)),),
        "minutes": tuple(counts),
        "history": tuple(counted(at, weight=0) for at in range(-history, 0)),
        "probes": tuple(a_probe(at + 0.5) for at in range(minutes + 3)) if probes else None,
    }
    return Watched(**{**fields, **changes})


def streamed(plan: RolloutPlan, watched: Watched, now: datetime) -> Verdict:
    """What a judge says at *now* that has watched all along, minute after minute, as each settled."""
    judge = Judge(plan, control=watched.control, canary=watched.canary)
    for minute in watched.history:
        judge.learn(minute)
    for soak in watched.soaks:
        judge.enter(soak.phase, soak.since)
    for minute in watched.minutes:
        if watched.soaks[0].since < minute.end + SETTLE <= now:
            judge.add(minute)
    for probe in watched.probes or ():
        if probe.at <= now:
            judge.probe(probe)
    return judge.verdict(now)


def plan_of(**changes: Any) -> RolloutPlan:
    """The runbook's plan; the canary's soak warms up for five minutes."""
    plan = a_plan(**changes)
    phases = tuple(
        phase.model_copy(update={"soak": phase.soak.model_copy(update={"warmup": 5 * MINUTE})})
        if phase.soak
        else phase
        for phase in plan.phases
    )
    return plan.model_copy(update={"phases": phases})
