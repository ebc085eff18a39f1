"""Judge recorded observations again: interval by interval, or at the moments that a ledger recorded."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from phasegate.domain.criteria import HealthFailing, HealthPassing, LatencyAbove, LatencyBelow, Rule
from phasegate.domain.judge.fold import Entry, Seen, feed, in_order
from phasegate.domain.judge.judge import Judge
from phasegate.domain.judge.measure import measure
from phasegate.domain.observation import Minute
from phasegate.domain.plan import RolloutPlan
from phasegate.domain.recording import RecordedBreach, Recording, Watched
from phasegate.domain.verdict import Finding, Verdict

R = TypeVar("R", bound=Rule)

# How the source was away is told from memory, not from the ledger.
_UNRECORDED = frozenset({"source-away", "silence"})


@dataclass(frozen=True, slots=True)
class Span:
    """While one phase was the present one: from its soak's start until the next soak began."""

    phase: str
    since: datetime
    end: datetime
    next: datetime | None


@dataclass(frozen=True, slots=True)
class Look:
    """One verdict of a replay; *closing* is the one at the end of a soak."""

    verdict: Verdict
    closing: bool


def looks(plan: RolloutPlan, seen: Watched) -> Iterator[Look]:
    """
    The verdict after each interval of each phase, up to the first that is harmful.

    Where intervals are missing it is asked as if they had passed empty, until silence holds. The
    look that closes a soak is missing when the recording ends before it.
    """
    judge = _taught(plan, seen)
    known = _known(plan, seen)
    place, entered = 0, False
    for at, closing in _when(plan, seen):
        while place < len(known) and known[place][0] <= at:
            what = known[place][1]
            if closing and entered and isinstance(what, Entry):
                break
            entered = entered or isinstance(what, Entry)
            if entered:
                feed(judge, what)
            place += 1
        verdict = judge.verdict(at)
        yield Look(verdict, closing)
        if verdict.finding is Finding.HARMFUL:
            return


def recorded_and_replayed(recording: Recording) -> tuple[tuple[Verdict, Verdict], ...]:
    """
    Each verdict and breach of the ledger beside the verdict that the same moment gives now.

    Only what was known then goes in: ``judged_until`` of the recorded verdict says which
    intervals had been collected.
    """
    places = {soak.phase: seen for seen in recording.watched for soak in seen.soaks}
    pairs = []
    for verdict in (one for one in recording.verdicts if one.phase in places):
        until = verdict.judged_until or _judged_from(recording.plan, places[verdict.phase], verdict.phase)
        seen = _asked_until(places[verdict.phase], verdict.synthetic_until)
        seen = _entered_until(seen, verdict.phase)
        replayed = _at(recording.plan, seen, verdict.at, until=until)
        pairs.append((verdict, replayed))
    for breach in (one for one in recording.breaches if one.phase in places):
        until = max((reason.until for reason in breach.because if reason.until), default=breach.at)
        seen = _asked_until(places[breach.phase], breach.synthetic_until)
        seen = _entered_until(seen, breach.phase)
        replayed = _at(recording.plan, seen, breach.at, until=breach.judged_until or until)
        # A breach keeps the reasons of its verdict and nothing else of it.
        only = {"reasons": replayed.because(), "violated": False, "silent": False}
        pairs.append((_breached(breach), replayed.model_copy(update=only)))
    return tuple(pairs)


def agrees(recorded: Verdict, replayed: Verdict) -> bool:
    """Whether two verdicts say the same for the same reasons; words about an absent source may differ."""
    return _said(recorded) == _said(replayed)


def without_unrecorded(plan: RolloutPlan, seen: Watched) -> tuple[RolloutPlan, tuple[str, ...]]:
    """
    The plan without rules that the recording cannot speak of, and what those are.

    Health checks that were not recorded, and cuts that no count names, are neither passed nor failed.
    """
    cuts = {cut for minute in seen.minutes for counts in minute.counts for cut, _ in counts.slow}
    phases, left_out = [], []
    for phase in plan.phases:
        success, unproved = _sayable(plan, phase.success, seen, cuts=cuts)
        rollback, unguarded = _sayable(plan, phase.rollback, seen, cuts=cuts)
        phases.append(phase.model_copy(update={"success": success, "rollback": rollback}))
        left_out += [*unproved, *unguarded] if any(soak.phase == phase.name for soak in seen.soaks) else []
    return plan.model_copy(update={"phases": tuple(phases)}), tuple(dict.fromkeys(left_out))


def _sayable(
    plan: RolloutPlan, rules: tuple[R, ...], seen: Watched, *, cuts: set[int]
) -> tuple[tuple[R, ...], list[str]]:
    lacking = [_lacking(plan, rule, seen, cuts=cuts) for rule in rules]
    kept = tuple(rule for rule, why in zip(rules, lacking, strict=True) if not why)
    return kept, [why for why in lacking if why]


def _lacking(plan: RolloutPlan, rule: Rule, seen: Watched, *, cuts: set[int]) -> str:
    if isinstance(rule, HealthPassing | HealthFailing) and seen.probes is None:
        return "health: no health checks are recorded"
    if not isinstance(rule, LatencyBelow | LatencyAbove):
        return ""
    measured = measure(rule, plan.cuts)
    cut = plan.cuts[measured.slot - 1]
    return "" if cut in cuts else f"{measured.said}: no count of requests slower than {cut} ms is recorded"


def _known(plan: RolloutPlan, seen: Watched) -> list[tuple[datetime, Seen]]:
    entries = [Entry(soak.phase, soak.since) for soak in seen.soaks]
    minutes = (*seen.minutes, *seen.synthetic)
    return in_order(entries, minutes, seen.probes or (), settle=plan.telemetry.settle)


def _asked_until(seen: Watched, until: datetime | None) -> Watched:
    """*seen* with the synthetic requests that had been counted, up to *until*."""
    asked = tuple(minute for minute in seen.synthetic if until is not None and minute.end <= until)
    return seen.model_copy(update={"synthetic": asked})


def _entered_until(seen: Watched, phase: str) -> Watched:
    """*seen* without the phases that began after *phase*: one may begin while a verdict is being noted."""
    since = next(soak.since for soak in seen.soaks if soak.phase == phase)
    return seen.model_copy(update={"soaks": tuple(soak for soak in seen.soaks if soak.since <= since)})


def _taught(plan: RolloutPlan, seen: Watched) -> Judge:
    """A judge that knows what the service did before the release."""
    judge = Judge(plan, control=seen.control, canary=seen.canary)
    for minute in seen.history:
        judge.learn(minute)
    return judge


def _spans(seen: Watched) -> tuple[Span, ...]:
    soaks = sorted(seen.soaks, key=lambda soak: soak.since)
    following = (*(soak.since for soak in soaks[1:]), None)
    pairs = zip(soaks, following, strict=False)
    return tuple(Span(soak.phase, soak.since, soak.until, after) for soak, after in pairs)


def _when(plan: RolloutPlan, seen: Watched) -> Iterator[tuple[datetime, bool]]:
    """When the judge is asked, and whether a soak ends there."""
    settle = plan.telemetry.settle
    known = {minute.end + settle for minute in seen.minutes} | {minute.end for minute in seen.synthetic}
    for span in _spans(seen):
        closing = min(span.end + settle, span.next) if span.next else span.end + settle
        times = {at for at in known if at > span.since and (span.next is None or at < span.next)}
        # A recording that stops earlier did not see the end of the soak, and silence is not made up.
        closes = closing <= max(known, default=closing) + 2 * plan.interval
        for at in _filled(span.since, sorted(times | ({closing} if closes else set())), plan=plan):
            yield at, at == closing


def _filled(since: datetime, times: Iterable[datetime], *, plan: RolloutPlan) -> Iterator[datetime]:
    """*times* with the intervals between them, as far as silence is told apart."""
    longest = plan.telemetry.silence_holds + plan.telemetry.settle + 2 * plan.interval
    before = since
    for at in times:
        missing = before + plan.interval
        while missing < at and missing - before <= longest:
            yield missing
            missing += plan.interval
        yield at
        before = at


def _at(plan: RolloutPlan, seen: Watched, now: datetime, *, until: datetime) -> Verdict:
    """The verdict at *now* when the intervals that end by *until* had been collected."""
    judge = _taught(plan, seen)
    entered = False
    for at, what in _known(plan, seen):
        if at > now or (isinstance(what, Minute) and not what.synthetic and what.end > until):
            continue
        entered = entered or isinstance(what, Entry)
        if entered:
            feed(judge, what)
    return judge.verdict(now)


def _breached(breach: RecordedBreach) -> Verdict:
    return Verdict(phase=breach.phase, at=breach.at, finding=Finding.HARMFUL, reasons=breach.because)


def _judged_from(plan: RolloutPlan, seen: Watched, name: str) -> datetime:
    """Where the first judged interval of a phase begins: none of it had been collected before."""
    soak = plan.phase(name).soak
    since = next(one.since for one in seen.soaks if one.phase == name)
    return since + (soak.warmup if soak else timedelta(0))


def _said(verdict: Verdict) -> tuple[object, ...]:
    reasons = tuple(
        (reason.criterion, "" if reason.rule in _UNRECORDED else reason.text) for reason in verdict.reasons
    )
    return verdict.phase, verdict.finding, verdict.violated, verdict.silent, reasons
