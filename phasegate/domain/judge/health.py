"""Whether health checks pass, and for how long they have not."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from phasegate.domain.criteria import HealthFailing
from phasegate.domain.judge import words
from phasegate.domain.observation import Probe
from phasegate.domain.plan import RolloutPlan
from phasegate.domain.verdict import Finding, Reason


@dataclass(frozen=True, slots=True)
class Checked:
    """The health checks of a phase so far: the newest, and the unbroken row of failures that it ends."""

    count: int = 0
    last: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    fault: str = ""
    url: str = ""
    served_by: str = ""

    @property
    def failing_for(self) -> timedelta:
        """From the first to the last failure of the row."""
        if self.last is None or self.failing_since is None:
            return timedelta(0)
        return self.last - self.failing_since


def checked(before: Checked, probe: Probe) -> Checked:
    """Take the next health check; one that is not newer than the last changes nothing."""
    if before.last is not None and probe.at <= before.last:
        return before
    return Checked(
        count=before.count + 1,
        last=probe.at,
        failures=0 if probe.ok else before.failures + 1,
        failing_since=None if probe.ok else before.failing_since or probe.at,
        fault="" if probe.ok else _fault(probe),
        url=probe.url,
        served_by=probe.served_by,
    )


def failing(rule: HealthFailing, health: Checked) -> Reason | None:
    """The reason to take the version back, when *rule* says so."""
    if not health.failures:
        return None
    if rule.consecutive is not None and health.failures >= rule.consecutive:
        return _failed(health, rule="health-consecutive", threshold=f">= {rule.consecutive} in a row")
    if health.failing_for >= rule.failing_for:
        return _failed(
            health, rule="health-failing", threshold=f"failing for {words.lasting(rule.failing_for)}"
        )
    return None


def passing(health: Checked, *, plan: RolloutPlan, now: datetime) -> Reason:
    """Whether the last health check passed, and is young enough to say anything."""
    if health.last is None:
        return _open("no health check has been made in this phase yet", health)
    if health.failures:
        return _open(_told(health), health)
    # A check that is no longer made passes nothing: absence is not health.
    limit = max(plan.telemetry.silence_warns, 3 * plan.health.every)
    if now - health.last > limit:
        return _open(
            f"the last health check was {words.lasting(now - health.last)} ago, "
            f"older than {words.lasting(limit)}",
            health,
        )
    return _reason(
        health,
        finding=Finding.HEALTHY,
        rule="health-passing",
        text=f"health check passed {words.lasting(now - health.last)} ago",
        value="passed",
    )


def _fault(probe: Probe) -> str:
    return ", ".join(probe.faults) or (f"status {probe.status}" if probe.status else "no answer")


def _told(health: Checked) -> str:
    by = f", served by version {health.served_by}" if health.served_by else ""
    row = f"failed {health.failures} times in a row" if health.failures > 1 else "failed once"
    return f"health check {row} for {words.lasting(health.failing_for)}, at last: {health.fault}{by}"


def _failed(health: Checked, *, rule: str, threshold: str) -> Reason:
    return _reason(
        health,
        finding=Finding.HARMFUL,
        rule=rule,
        text=f"{_told(health)}; limit {threshold}",
        value=f"{health.failures} in a row for {words.lasting(health.failing_for)}",
        threshold=threshold,
    )


def _open(text: str, health: Checked) -> Reason:
    return _reason(
        health,
        finding=Finding.INCONCLUSIVE,
        rule="health-passing",
        text=text,
        value=health.fault or "unknown",
    )


def _reason(
    health: Checked, *, finding: Finding, rule: str, text: str, value: str, threshold: str = "passing"
) -> Reason:
    return Reason(
        criterion="health",
        finding=finding,
        rule=rule,
        text=text,
        value=value,
        threshold=threshold,
        baseline="none: the control's health is not asked",
        bad=health.failures,
        total=health.count,
        since=health.failing_since or health.last,
        until=health.last,
        query=f"GET {health.url}" if health.url else "",
    )
