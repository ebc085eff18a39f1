"""Whether the known-good version holds the criteria again after a rollback."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from phasegate.domain.criteria import ErrorRateBelow, LatencyBelow
from phasegate.domain.observation import Minute, Probe
from phasegate.domain.plan import RolloutPlan
from phasegate.domain.quantities import format_duration, format_rate
from phasegate.domain.versions import Version


class Recovery(BaseModel):
    """``recovered``: yes, no (time is up), or None while it must be watched on; ``detail`` in words."""

    model_config = ConfigDict(frozen=True)

    recovered: bool | None
    detail: str


def recovery(
    plan: RolloutPlan,
    version: Version,
    *,
    minutes: tuple[Minute, ...],
    probe: Probe | None,
    restored_at: datetime,
    now: datetime,
) -> Recovery:
    """
    Judge the known-good *version* since *restored_at*.

    It has recovered when the newest ``steady_for`` of *minutes* served requests,
    every success criterion of the last phase holds over them, and the last health
    check passed. The rate is the plain share: the question is not whether the
    version is good (that was known), but whether the harm is over.
    """
    # Counts that come late tell of an earlier time, and no less truly.
    end = min((now - plan.telemetry.settle, *(minute.end for minute in minutes[-1:])))
    window = [m for m in minutes if m.start >= restored_at and m.start >= end - plan.recovery.steady_for]
    faults = _faults(plan, version, window=window, probe=probe)
    if end - restored_at < plan.recovery.steady_for:
        faults = [*faults, f"watched for less than {format_duration(plan.recovery.steady_for)}"]
    served = sum(minute.total(version.id) for minute in window)
    failed = sum(minute.errors(version.id) for minute in window)
    seen = f"{version.label} failed {failed} of {served} requests in the last {len(window)} intervals"
    if not faults:
        return Recovery(recovered=True, detail=f"recovered: {seen}, health passes")
    over = now - restored_at >= plan.recovery.limit
    words = f"{'not recovered' if over else 'not yet recovered'}: {'; '.join(faults)} ({seen})"
    return Recovery(recovered=False if over else None, detail=words)


def _faults(plan: RolloutPlan, version: Version, *, window: list[Minute], probe: Probe | None) -> list[str]:
    total = sum(minute.total(version.id) for minute in window)
    if total == 0:
        return [f"no requests of {version.label} were seen"]
    faults = [fault for rule in plan.phases[-1].success if (fault := _fault(rule, version, window, total))]
    if probe is None:
        faults.append("no health check yet")
    elif not probe.ok:
        faults.append(f"health check failed: {'; '.join(probe.faults)}")
    return faults


def _fault(rule: object, version: Version, window: list[Minute], total: int) -> str:
    if isinstance(rule, ErrorRateBelow):
        rate = sum(minute.errors(version.id) for minute in window) / total
        return "" if rate < rule.below else f"error rate {format_rate(rate)}, limit {format_rate(rule.below)}"
    if isinstance(rule, LatencyBelow):
        cut = round(rule.below.total_seconds() * 1000)
        slow = sum(minute.slower(version.id, cut=cut) for minute in window) / total
        allowed = 1 - rule.percentile / 100
        limit = f"P{rule.percentile:g} limit {format_duration(rule.below)}"
        return "" if slow <= allowed else f"{format_rate(slow)} of requests are slower than the {limit}"
    return ""
