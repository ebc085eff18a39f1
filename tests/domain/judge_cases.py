"""Plans, minutes and health checks for the judge's tests."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from phasegate.domain.judge import Judge
from phasegate.domain.observation import Counts, Minute, Probe
from phasegate.domain.plan import RolloutPlan
from phasegate.domain.verdict import Finding, Reason, Verdict
from tests.domain import plan_cases

T0 = datetime(2026, 2, 17, 3, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
STABLE, CANARY = "v1", "v2"
CUTS = (500, 1000, 2000)

ERRORS = {"metric": "error-rate", "above": "1%"}
LATENCY = {"metric": "latency", "percentile": 95, "above": "2000ms"}
HEALTH = {"metric": "health", "failing_for": "2m"}
SUCCESS = (
    {"metric": "error-rate", "below": "0.1%"},
    {"metric": "latency", "percentile": 95, "below": "500ms"},
    {"metric": "health"},
    {"metric": "critical-alerts"},
    {"metric": "attested", "text": "No user-reported regressions"},
)
ALERTS = (
    {"metric": "error-rate", "above": "0.5%", "level": "warning", "action": "Investigate"},
    {"metric": "error-rate", "above": "1%", "level": "critical", "action": "Consider rollback"},
    {"metric": "latency", "slower_than": "1000ms", "level": "warning", "action": "Investigate"},
    {"metric": "latency", "slower_than": "2000ms", "level": "critical", "action": "Consider rollback"},
    {"metric": "health", "consecutive": 2, "level": "warning", "action": "Investigate"},
    {"metric": "health", "consecutive": 3, "level": "critical", "action": "Rollback"},
    {"metric": "5xx-per-minute", "more_than": 5, "level": "warning", "action": "Investigate"},
    {"metric": "5xx-per-minute", "more_than": 20, "level": "critical", "action": "Immediate action"},
)
GATE = {"name": "hold", "question": "Go on?", "roles": ["lead"], "limit": "1h", "on_expiry": "reject"}


def a_phase(name: str, weight: float, **changes: Any) -> dict[str, Any]:
    """A phase of the runbook; staging when *weight* is 0."""
    phase = {
        "environment": "production" if weight else "staging",
        "soak": {"duration": "2h"} if weight else None,
        "success": SUCCESS,
        "rollback": (ERRORS, LATENCY, HEALTH),
        "gate": GATE,
        "hold": GATE,
    }
    return plan_cases.a_phase(name, weight, **{**phase, **changes})


def a_plan(*, phases: Iterable[dict[str, Any]] = (), **changes: Any) -> RolloutPlan:
    """The runbook's plan: 0, 10, 50 and 100 %, minutes, alpha 1 %, literal."""
    standard = (a_phase("staging", 0), a_phase("canary", 10), a_phase("partial", 50), a_phase("full", 100))
    plan = {
        "name": "backend",
        "description": "The standard rollout.",
        "recovery": {"steady_for": "15m", "limit": "1h"},
        "alerts": ALERTS,
        "channels": {"critical": ["pager"], "warning": ["chat"], "info": ["log"]},
        "phases": tuple(phases) or standard,
    }
    return RolloutPlan.model_validate(plan_cases.a_plan(**{**plan, **changes}))


def a_judge(plan: RolloutPlan | None = None, *, phase: str = "canary", control: str = STABLE) -> Judge:
    """A judge that entered *phase* at T0."""
    judge = Judge(plan or a_plan(), control=control, canary=CANARY)
    judge.enter(phase, T0)
    return judge


def served(version: str, total: int, errors: int = 0, *, slow: int = 0, endpoint: str = "/") -> Counts:
    """Counts of one version on one endpoint; *slow* requests are slower than every cut."""
    cuts = tuple((cut, slow) for cut in CUTS)
    return Counts(version=version, endpoint=endpoint, total=total, errors=errors, slow=cuts)


def a_minute(at: int, *counts: Counts, query: str = "select counts", length: timedelta = MINUTE) -> Minute:
    """The interval number *at* after T0."""
    return Minute(start=T0 + at * length, length=length, counts=counts, query=query)


def after(minutes: float) -> datetime:
    """So many minutes after T0."""
    return T0 + minutes * MINUTE


def a_probe(at: float, *, ok: bool = True, served_by: str = CANARY) -> Probe:
    """A health check so many minutes after T0."""
    faults = () if ok else ("status 503",)
    return Probe(at=after(at), ok=ok, url="https://x.test/health", faults=faults, served_by=served_by)


def feed(judge: Judge, minutes: Iterable[Minute]) -> Verdict:
    """Give *minutes* to *judge* and ask it two minutes after the last."""
    last = T0
    for minute in minutes:
        judge.add(minute)
        last = minute.end
    return judge.verdict(last + 2 * MINUTE)


def reasons(verdict: Verdict, criterion: str) -> list[Reason]:
    """The reasons about *criterion*."""
    return [reason for reason in verdict.reasons if reason.criterion == criterion]


def fired(verdict: Verdict) -> list[Reason]:
    """The harmful reasons."""
    return [reason for reason in verdict.reasons if reason.finding is Finding.HARMFUL]
