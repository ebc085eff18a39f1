"""The first line: what is asked or what happened, and what comes next."""

from phasegate.domain.ledger import ReleaseState
from phasegate.domain.phase import Environment, Gate, Phase
from phasegate.domain.quantities import format_duration
from phasegate.domain.verdict import Finding, Verdict
from phasegate.report.markdown import at, plain


def headline(state: ReleaseState, verdict: Verdict | None) -> str:
    """One or two sentences; a question comes with what each answer does and what silence means."""
    if state.ended:
        over = f"Release {plain(state.release)} is over ({state.ended.outcome})"
        return f"**{over}:** {plain(state.ended.summary)}"
    if state.aborting:
        return _taken_back(state)
    phase = state.current
    if phase is None or verdict is None or verdict.phase != phase.name:
        return _not_judged(state, phase)
    if verdict.finding is Finding.HARMFUL:
        return (
            f"**{plain(_candidate(state))} is harmful in {plain(phase.title)}.** It is taken back, "
            f"whatever anybody answers: {plain(state.known_good.label)} gets all traffic again."
        )
    return _question(state, phase, verdict)


def name(state: ReleaseState, version: str) -> str:
    """The tag people know *version* by, and which of the two it is."""
    if state.canary and version == state.canary.id:
        return f"{state.canary.label} (canary)"
    if version == state.opened.known_good.id:
        return f"{state.opened.known_good.label} (stable)"
    return version[:8]


def next_step(state: ReleaseState, phase: Phase) -> str:
    """What follows once *phase* is passed."""
    place = state.plan.phases.index(phase) + 1
    if place == len(state.plan.phases):
        return f"the release is complete and {plain(_candidate(state))} becomes the known-good version"
    following = state.plan.phases[place]
    return f"{plain(_candidate(state))} gets {following.weight:g} % of production ({plain(following.title)})"


def _taken_back(state: ReleaseState) -> str:
    restored = (
        f"{plain(state.known_good.label)} has had all traffic since {at(state.restored_at)}."
        if state.restored_at
        else f"{plain(state.known_good.label)} gets all traffic again."
    )
    return (
        f"**Release {plain(state.release)} is taken back.** {plain(state.why_abort).rstrip('.')}. {restored}"
    )


def _not_judged(state: ReleaseState, phase: Phase | None) -> str:
    where = f"in {plain(phase.title)}" if phase else "between two phases"
    text = f"**Release {plain(state.release)} is {where}.** Nothing has been judged there yet."
    if (watched := state.watched) is None or watched == phase or state.canary is None:
        return text
    share = f"{state.live.split.weight(state.canary.id):g} %"
    limits = f"by the limits of {plain(watched.title)}"
    return f"{text} {plain(_candidate(state))} is watched on at {share}, {limits}."


def _question(state: ReleaseState, phase: Phase, verdict: Verdict) -> str:
    seen = f"{plain(_candidate(state))} {_finding(state, phase, verdict)} in {plain(phase.title)}"
    if state.question is None and (more := _watched_on(state, phase, verdict)):
        return f"**{seen}.** {more}"
    gate = _gate(state, phase, verdict)
    if gate is None:
        return f"**{seen}.** Next: {next_step(state, phase)}."
    return f"**{plain(gate.question)}** {seen}.\n\n{_answers(state, phase, gate)}"


def _watched_on(state: ReleaseState, phase: Phase, verdict: Verdict) -> str:
    """Why nobody is asked yet; empty when the soak is over and may not be extended."""
    soak = state.soaks.get(phase.name)
    if soak is None:
        return ""
    if verdict.at < soak.until:
        return f"It is watched until {at(soak.until)}, then judged."
    left = (phase.soak.extensions if phase.soak else 0) - soak.extended
    if _settled(state, phase, verdict) or verdict.violated or left <= 0:
        return ""
    return (
        f"It is watched longer: {left} of {phase.soak.extensions if phase.soak else 0} extensions are left."
    )


def _settled(state: ReleaseState, phase: Phase, verdict: Verdict) -> bool:
    """Whether the phase counts as good: by proof, because the plan accepts it, or by a person's word."""
    accepted = state.accepted.get(phase.name, False) or phase.name in state.holds_passed
    return verdict.finding is Finding.HEALTHY or accepted


def _gate(state: ReleaseState, phase: Phase, verdict: Verdict) -> Gate | None:
    """The question that stands or comes next."""
    if state.question:
        return phase.hold if state.question.hold else phase.gate
    if not _settled(state, phase, verdict):
        return phase.hold
    return None if phase.name in state.gates_passed else phase.gate


def _finding(state: ReleaseState, phase: Phase, verdict: Verdict) -> str:
    if verdict.finding is Finding.HEALTHY:
        return "is healthy"
    if verdict.violated:
        return "misses a success criterion, without breaking a rollback limit,"
    if state.accepted.get(phase.name, False):
        return "is not proved healthy, which the plan accepts on thin traffic, and broke no limit"
    return "is neither proved healthy nor harmful"


def _answers(state: ReleaseState, phase: Phase, gate: Gate) -> str:
    half = format_duration(phase.soak.duration / 2) if phase.soak else ""
    lines = [
        f"- **approve**: {next_step(state, phase)}, after health was judged once more",
        f"- **reject**: {_rejected(state, phase)}",
        *([f"- **extend**: {half} more, then it is judged and asked again"] if half else []),
        f"- **silence** for {format_duration(gate.limit)} means reject",
        f"- asked of: {plain(' and '.join(gate.roles))}, one approval each; "
        f"not of {plain(state.opened.requested_by)}, who requested the release",
    ]
    return "\n".join(lines)


def _rejected(state: ReleaseState, phase: Phase) -> str:
    if phase.environment is Environment.STAGING:
        return f"the release ends; production stays with {plain(state.known_good.label)}"
    return f"it is taken back, and {plain(state.known_good.label)} gets all traffic again"


def _candidate(state: ReleaseState) -> str:
    given = state.opened.candidate
    version = state.canary or state.uploaded.get(Environment.STAGING)
    return version.label if version else given.tag or given.version[:8] or "the candidate"
