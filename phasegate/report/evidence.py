"""
The evidence for one decision as Markdown: shown in a gate's form and as an artifact.

It is a function of its arguments alone, so its digest says what an approval answered.
"""

from datetime import timedelta

from phasegate.domain.approval import evidence_digest
from phasegate.domain.criteria import Attested, ErrorRateAbove, Unreported
from phasegate.domain.database import DatabaseState
from phasegate.domain.judge.seen import seen
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.observation import Minute
from phasegate.domain.phase import Environment, Phase
from phasegate.domain.quantities import format_duration
from phasegate.domain.verdict import Finding, Reason, Verdict
from phasegate.report.checklists import checklist_markdown, watch_markdown
from phasegate.report.headline import headline, name
from phasegate.report.markdown import at, bullets, percent, plain, sections, table
from phasegate.report.plots import data_uri, evidence_svg
from phasegate.report.progress import progress_markdown
from phasegate.report.sources import sources_markdown

__all__ = ["checklist_markdown", "evidence_digest", "progress_markdown", "verdict_markdown"]

_MARK = {Finding.HEALTHY: "✅", Finding.INCONCLUSIVE: "❔", Finding.HARMFUL: "❌"}
_ORDER = (Finding.HARMFUL, Finding.INCONCLUSIVE, Finding.HEALTHY)


def verdict_markdown(state: ReleaseState, verdict: Verdict | None, minutes: tuple[Minute, ...]) -> str:
    """
    What is known of the phase that *state* is in: what is asked or happened, and why.

    The first line says it in a sentence or two. Then the criteria with values, limits,
    the control and counts; the picture of *minutes*; load test, checks and what an approval
    attests; split and times. Without a *verdict* nothing was judged yet.
    """
    phase = state.plan.phase(state.phase) if state.phase else None
    return sections(
        headline(state, verdict),
        _criteria(verdict),
        _picture(state, phase, minutes, verdict),
        _reasons(verdict),
        _power(state, phase, minutes),
        _alerts(verdict),
        sources_markdown(state, _since_soak(state, phase, minutes) if phase else minutes),
        _load(state),
        _checks(state, phase),
        _unreported(phase),
        watch_markdown(phase.watch if phase else ()),
        _facts(state, verdict),
    )


def _criteria(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    head = ("Criterion", "Seen", "Limit", "Control", "Counts", "Finding")
    return table(head, (_criterion(reason) for reason in _sorted(verdict)))


def _criterion(reason: Reason) -> tuple[str, ...]:
    counts = f"{reason.bad or 0:,} of {reason.total:,}" if reason.total is not None else "–"
    cells = (reason.criterion, reason.value or "–", reason.threshold or "–", reason.baseline or "–", counts)
    return (*(plain(cell) for cell in cells), f"{_MARK[reason.finding]} {reason.finding.value}")


def _reasons(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    lines = [f"{_MARK[reason.finding]} {plain(reason.text)} {_source(reason)}" for reason in _sorted(verdict)]
    return f"**Why**\n\n{bullets(lines)}"


def _source(reason: Reason) -> str:
    """How to check it by hand: the rule, the window and the query."""
    window = f"{at(reason.since)} to {at(reason.until)}" if reason.since else ""
    parts = (f"rule {reason.rule}", window, reason.endpoint, reason.query)
    return "*(" + "; ".join(plain(part) for part in parts if part) + ")*"


def _sorted(verdict: Verdict) -> list[Reason]:
    return sorted(verdict.reasons, key=lambda reason: _ORDER.index(reason.finding))


def _picture(
    state: ReleaseState, phase: Phase | None, minutes: tuple[Minute, ...], verdict: Verdict | None
) -> str:
    if phase is None or state.canary is None or not phase.takes_traffic:
        return ""
    title = f"{phase.name} at {phase.weight:g} %: {state.service}"
    svg = evidence_svg(
        _since_soak(state, phase, minutes),
        stable=state.opened.known_good.id,
        canary=state.canary.id,
        limit=_limit(phase),
        title=title,
        labels=(state.opened.known_good.label, state.canary.label),
        path=verdict.evidence if verdict else (),
        decided=1 / state.plan.alpha,
    )
    return f"![Failed requests and requests: {plain(title)}]({data_uri(svg)})"


def _since_soak(state: ReleaseState, phase: Phase, minutes: tuple[Minute, ...]) -> tuple[Minute, ...]:
    soak = state.soaks.get(phase.name)
    shown = tuple(minute for minute in minutes if soak is None or minute.start >= soak.since)
    return shown or minutes


def _power(state: ReleaseState, phase: Phase | None, minutes: tuple[Minute, ...]) -> str:
    """What the traffic so far would have shown; "healthy" is worth no more than that."""
    if phase is None or state.canary is None or not phase.takes_traffic:
        return ""
    shown = seen(
        state.plan,
        phase,
        minutes,
        soaks={name: soak.since for name, soak in state.soaks.items()},
        canary=state.canary.id,
        control=state.opened.known_good.id,
    )
    return f"**What could be seen**\n\n{bullets(plain(one.text) for one in shown)}" if shown else ""


def _limit(phase: Phase) -> float | None:
    """The error rate that takes the version back at once, else the lowest sustained one."""
    rules = [rule for rule in phase.rollback if isinstance(rule, ErrorRateAbove)]
    at_once = [rule.above for rule in rules if rule.sustained is None]
    return min(at_once or [rule.above for rule in rules], default=None)


def _alerts(verdict: Verdict | None) -> str:
    if verdict is None or not verdict.alerts:
        return ""
    rows = [(alert.level, plain(alert.text), plain(alert.action)) for alert in verdict.alerts]
    return f"**Alerts firing**\n\n{table(('Level', 'Alert', 'Action'), rows)}"


def _load(state: ReleaseState) -> str:
    report = state.loads.get(state.phase, {})
    if "sent" not in report:
        return f"**Load test**: {plain(str(report['reason']))}" if report.get("reason") else ""
    times = " / ".join(_millis(report.get(key)) for key in ("p50", "p95", "p99"))
    row = (
        f"{report['sent']:,}",
        f"{report['failed']:,} ({percent(float(report['error_rate']))})",
        times,
        "yes" if report.get("conclusive") else f"**no**: {plain(str(report.get('reason', '')))}",
    )
    return f"**Load test**\n\n{table(('Sent', 'Failed', 'P50 / P95 / P99', 'Conclusive'), [row])}"


def _millis(value: object) -> str:
    return f"{value:.0f} ms" if isinstance(value, int | float) else "–"


def _checks(state: ReleaseState, phase: Phase | None) -> str:
    if phase is None:
        return ""
    staging = phase.environment is Environment.STAGING
    items = (*phase.checklist, *(state.plan.preflight if staging else ()))
    attested = tuple(rule.text for rule in phase.success if isinstance(rule, Attested))
    return checklist_markdown(items, state.checks.get(phase.name, ()), attested=attested)


def _unreported(phase: Phase | None) -> str:
    rules = [rule for rule in phase.success if isinstance(rule, Unreported)] if phase else []
    lines = [f"{plain(rule.text)} ({plain(', '.join(rule.asked))})" for rule in rules]
    return f"**Asked of people; silence means that nothing was seen**\n\n{bullets(lines)}" if rules else ""


def _facts(state: ReleaseState, verdict: Verdict | None) -> str:
    soak = state.soaks.get(state.phase)
    rows = [
        ("Requested by", f"{plain(state.opened.requested_by)}: {plain(state.opened.reason)}"),
        ("Traffic now", _split(state)),
        ("Known good", _version(state.known_good.label, state.known_good.id)),
    ]
    if soak:
        extended = f", extended {soak.extended} times" if soak.extended else ""
        rows.append(("Watched", f"{at(soak.since)} to {at(soak.until)}{extended}"))
    if verdict:
        late = f", {format_duration(_whole(verdict.age))} old" if verdict.age else ""
        rows.append(("Judged", f"{at(verdict.at)}, evidence until {at(verdict.judged_until)}{late}"))
    rows += [(f"Database ({where})", plain(_database(known))) for where, known in state.databases.items()]
    return table(("Release", plain(state.release)), rows)


def _database(known: DatabaseState) -> str:
    """What the release does to a database, with what it takes away: whoever approves answers for it."""
    if not known.pending:
        return "no migration is due"
    each = [
        f"{one.name}{' (' + '; '.join(one.contracts) + ')' if one.contracts else ''}" for one in known.pending
    ]
    stands = "applied" if known.after else "being applied" if known.before else "due"
    back = "all have down-SQL" if all(one.down_digest for one in known.pending) else "not all have down-SQL"
    return f"{stands}: {', '.join(each)}; {back}"


def _whole(age: timedelta) -> timedelta:
    return timedelta(seconds=round(age.total_seconds()))


def _split(state: ReleaseState) -> str:
    shares = sorted(state.live.split.shares, key=lambda share: -share.weight)
    return " / ".join(f"{plain(name(state, share.version))} {share.weight:g} %" for share in shares)


def _version(label: str, ident: str) -> str:
    return plain(label if label == ident else f"{label} ({ident})")
