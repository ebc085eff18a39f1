"""How far a release is, as Markdown: one line a phase."""

from datetime import datetime, timedelta

from phasegate.domain.ledger import ReleaseState
from phasegate.domain.phase import Phase
from phasegate.domain.quantities import format_duration
from phasegate.report.headline import headline
from phasegate.report.markdown import at, plain, sections, table

_DONE, _NOW, _NEXT, _NEVER = "✅ passed", "▶ now", "next", "not reached"


def progress_markdown(state: ReleaseState, now: datetime) -> str:
    """The headline, a table of the phases and how each stands at *now*, and who is asked what."""
    rows = (_row(state, phase, now) for phase in state.plan.phases)
    return sections(
        headline(state, state.verdict),
        table(("Phase", "Weight", "Status", "Watched"), rows),
        _waiting(state, now),
    )


def _row(state: ReleaseState, phase: Phase, now: datetime) -> tuple[str, ...]:
    return plain(phase.title), f"{phase.weight:g} %", _status(state, phase), _watched(state, phase, now)


def _status(state: ReleaseState, phase: Phase) -> str:
    if phase.name in state.ended_phases:
        return _DONE
    over = state.aborting or state.ended is not None
    if phase.name == state.phase:
        return "❌ taken back" if over else _NOW
    return _NEVER if over else _NEXT


def _watched(state: ReleaseState, phase: Phase, now: datetime) -> str:
    soak = state.soaks.get(phase.name)
    if soak is None:
        return f"at least {format_duration(phase.soak.duration)}" if phase.soak else "–"
    if phase.name in state.ended_phases or state.aborting:
        return f"since {at(soak.since)}"
    left = soak.until - now
    ahead = f", {_rough(left)} left" if left > timedelta(0) else ", over"
    return f"until {at(soak.until)}{ahead}"


def _waiting(state: ReleaseState, now: datetime) -> str:
    question = state.question
    if question is None:
        return ""
    given = ", ".join(f"{answer.approver} ({answer.role})" for answer in state.answers)
    return (
        f"**Waiting for {plain(' and '.join(question.roles))}** to answer {plain(question.gate)} "
        f"until {at(question.expires_at)} ({_rough(question.expires_at - now)} left); silence means reject."
        + (f" Approved so far: {plain(given)}." if given else "")
    )


def _rough(span: timedelta) -> str:
    return format_duration(timedelta(seconds=max(0, round(span.total_seconds()))))
