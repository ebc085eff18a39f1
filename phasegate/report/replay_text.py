"""A replay as a person reads it: the time line, when the version would have been taken back, and why."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from phasegate.domain.judge import words
from phasegate.domain.judge.replay import Look
from phasegate.domain.plan import RolloutPlan
from phasegate.domain.recording import Recording, Watched
from phasegate.domain.verdict import Finding, Verdict

_FORM = "{:<19}  {:<12} {:<19}  {:>8}  {:<20}  {}"


def heading(recording: Recording, seen: Watched, plan: RolloutPlan) -> str:
    """What is judged, by which plan, with which versions."""
    name = recording.release or "recorded minutes"
    control = f"control {seen.control}" if seen.control else "no control"
    return (
        f"{name}, {seen.environment}: plan {plan.name}, canary {seen.canary}, {control}, "
        f"{_intervals(seen)}{_synthetic(seen)}; evidence of {1 / plan.alpha:,.4g} takes it back"
    )


def columns() -> str:
    """The heads of the time line."""
    return _FORM.format("time (UTC)", "phase", "finding", "E", "rule", "why")


def timeline(looks: Iterable[Look], *, every: bool) -> Iterator[str]:
    """A line for each look that says something new, and for each end of a soak; *every*: for each look."""
    before: tuple[object, ...] = ()
    for look in looks:
        verdict = look.verdict
        news = (verdict.phase, verdict.finding, verdict.violated, verdict.silent, verdict.reasons[0].rule)
        if every or look.closing or news != before:
            yield _line(look)
        before = news


def ending(looks: tuple[Look, ...], seen: Watched) -> str:
    """What would have happened, in a sentence or two."""
    if not looks:
        return "nothing was judged: no interval lies in a phase"
    last = looks[-1].verdict
    if last.finding is Finding.HARMFUL:
        return _taken_back(last, seen)
    closed = [look.verdict for look in looks if look.closing]
    said = ", ".join(f"{verdict.phase} {verdict.finding}" for verdict in closed)
    unfinished = [soak.phase for soak in seen.soaks if soak.phase not in {one.phase for one in closed}]
    parts = [f"never taken back; at the end of the soak: {said}"] if closed else ["never taken back"]
    parts += [f"the recording ends before the soak of {phase} is over" for phase in unfinished]
    return "; ".join(parts)


def comparison(
    pairs: tuple[tuple[Verdict, Verdict], ...], differing: tuple[tuple[Verdict, Verdict], ...]
) -> str:
    """How the replay stands to what the ledger recorded; *pairs* are (recorded, replayed)."""
    if not differing:
        return f"ledger: {len(pairs)} of {len(pairs)} recorded verdicts are the same"
    lines = [f"ledger: {len(differing)} of {len(pairs)} recorded verdicts DIFFER"]
    for recorded, replayed in differing:
        lines.append(
            f"  {_clock(recorded.at)} {recorded.phase}: "
            f"recorded {recorded.finding}: {recorded.reasons[0].text}; "
            f"replayed {replayed.finding}: {replayed.reasons[0].text}"
        )
    return "\n".join(lines)


def _line(look: Look) -> str:
    verdict = look.verdict
    reason = verdict.reasons[0]
    end = "end of the soak: " if look.closing else ""
    return _FORM.format(
        _clock(verdict.at),
        verdict.phase,
        verdict.finding,
        _evidence(verdict),
        reason.rule,
        f"{end}{reason.text}",
    )


def _evidence(verdict: Verdict) -> str:
    """The newest known evidence of the comparison; none before both have served."""
    return f"{10 ** min(verdict.evidence[-1][1], 300.0):.3g}" if verdict.evidence else "-"


def _taken_back(verdict: Verdict, seen: Watched) -> str:
    since = next(soak.since for soak in seen.soaks if soak.phase == verdict.phase)
    reasons = "\n".join(f"  {reason.rule}: {reason.text}" for reason in verdict.because())
    after = words.lasting(verdict.at - since)
    failed = sum(minute.errors(seen.canary) for minute in seen.minutes if minute.end <= verdict.at)
    return (
        f"taken back at {_clock(verdict.at)}, {after} after {verdict.phase} began, "
        f"when the canary had failed {words.count(failed)} requests:\n{reasons}"
    )


def _synthetic(seen: Watched) -> str:
    if not seen.synthetic:
        return ""
    sent = sum(minute.total(seen.canary) for minute in seen.synthetic)
    return f", {words.count(sent)} synthetic requests to the canary"


def _intervals(seen: Watched) -> str:
    if not seen.minutes:
        return "no intervals"
    first, last = seen.minutes[0], seen.minutes[-1]
    return (
        f"{words.count(len(seen.minutes))} intervals of {words.lasting(first.length)} "
        f"from {_clock(first.start)} to {_clock(last.end)}"
    )


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
