"""Which lines of the plan's alert table fire now. Alerts tell; they take nothing back."""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from phasegate.domain.criteria import AlertRule, Level
from phasegate.domain.judge import words
from phasegate.domain.judge.health import Checked
from phasegate.domain.judge.measure import Measure, errors, slower
from phasegate.domain.judge.tally import ERRORS
from phasegate.domain.judge.windows import Window, Windows
from phasegate.domain.plan import RolloutPlan
from phasegate.domain.verdict import Alert, Finding, Reason

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table made ready: a share of requests, or a whole number of something."""

    rule: AlertRule
    key: str
    measure: Measure | None = None
    number: int = 0


def table(plan: RolloutPlan) -> tuple[Line, ...]:
    """The alert table of *plan*, ready to be asked."""
    return tuple(_line(rule, cuts=plan.cuts) for rule in plan.alerts)


def firing(lines: tuple[Line, ...], *, windows: Windows | None, health: Checked) -> tuple[Alert, ...]:
    """
    Every line that fires, once each; without *windows* the rates are unknown and none of them fires.

    A rate is that of the newest interval with traffic, "per minute" that of the newest minute.
    """
    told = ((line, _told(line, windows, health)) for line in lines)
    found = {line.key: _alert(line, text) for line, text in told if text}
    return tuple(found.values())


def no_critical(alerts: tuple[Alert, ...], *, known: bool, window: Window | None) -> Reason:
    """The success criterion that no critical alert fires; what is not *known* does not pass."""
    critical = [alert for alert in alerts if alert.level == Level.CRITICAL]
    clear = "no critical alert fires" if known else "nothing has been heard in which an alert could fire"
    bad, total = window.canary(ERRORS) if window else (0, 0)
    return Reason(
        criterion="critical-alerts",
        finding=Finding.HEALTHY if known and not critical else Finding.INCONCLUSIVE,
        rule="no-critical-alert",
        text="; ".join(alert.text for alert in critical) or clear,
        value=f"{len(critical)} firing" if known or critical else "unknown",
        threshold="0 firing",
        baseline="none: the limits of the table are fixed",
        bad=bad,
        total=total,
        since=window.since if window else None,
        until=window.until if window else None,
    )


def _line(rule: AlertRule, *, cuts: tuple[int, ...]) -> Line:
    match rule:
        case AlertRule(metric="error-rate", above=float(limit)):
            return _share_line(rule, errors(limit, sign=">"))
        case AlertRule(metric="latency", slower_than=timedelta() as cut):
            return _share_line(rule, slower(cut, rule.percentile, sign=">", cuts=cuts))
    # Only these two count something whole, and a rule has exactly the limit of its metric.
    number = rule.consecutive or rule.more_than or 0
    return Line(rule, f"{rule.metric}-{number}-{rule.level}", number=number)


def _share_line(rule: AlertRule, measured: Measure) -> Line:
    return Line(rule, f"{measured.said.replace(' ', '-')}-{rule.level}", measured)


def _told(line: Line, windows: Windows | None, health: Checked) -> str:
    if line.rule.metric == "health":
        return _health(line.number, health)
    newest = windows.last(1) if windows else None
    if windows is None or newest is None:
        return ""
    return _share(line.measure, newest) if line.measure else _per_minute(line.number, windows, newest)


def _share(measured: Measure, window: Window) -> str:
    bad, total = window.canary(measured.slot)
    if not total or bad / total <= measured.limit:
        return ""
    span = words.last(window.until - window.since)
    return f"canary {measured.told(bad, total)} in {span}, alert at {measured.threshold}"


def _per_minute(limit: int, windows: Windows, newest: Window) -> str:
    minute = windows.lasting(MINUTE) or newest
    window = minute if minute.rows else newest
    # An interval longer than a minute holds the failures of several.
    minutes = max(1.0, (newest.until - newest.since) / MINUTE)
    failed = window.canary(ERRORS)[0] / minutes
    if failed <= limit:
        return ""
    return f"canary failed {words.count(ceil(failed))} requests in a minute, alert at > {words.count(limit)}"


def _health(limit: int, health: Checked) -> str:
    if health.failures < limit:
        return ""
    return f"health check failed {health.failures} times in a row, alert at {limit}: {health.fault}"


def _alert(line: Line, text: str) -> Alert:
    return Alert(key=line.key, level=line.rule.level, text=text, action=line.rule.action)
