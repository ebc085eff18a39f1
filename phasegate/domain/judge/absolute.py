"""Whether the canary breaks one of the plan's own limits, beyond what chance does."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from phasegate.domain.criteria import ErrorRateAbove, ErrorRateBelow, LatencyAbove
from phasegate.domain.judge import words
from phasegate.domain.judge.binomial import tail
from phasegate.domain.judge.measure import Measure, measure
from phasegate.domain.judge.tally import Pair
from phasegate.domain.judge.windows import LONGEST, PAUSE, Row, Window, Windows
from phasegate.domain.plan import Attribution, Phase, RolloutPlan
from phasegate.domain.verdict import Finding, Reason

INTERVALS = (1, 5, 15)
# Three windows, each looked at once a minute for six hours: what all looks together may spend is alpha.
LOOKS = len(INTERVALS) * 360


@dataclass(frozen=True, slots=True)
class Limit:
    """
    A rollback threshold made ready: what is counted, the limit, and the rate of a good version.

    *attributed*: a breach is shared also when the canary is not worse than its control beyond chance, so
    that the edge of a burst, or thin traffic in it, accuses nobody. Both chances have the same *budget*.
    """

    key: str
    measure: Measure
    good: float
    budget: float
    sustained: timedelta | None
    attributed: bool = False

    def present(self, row: Row) -> bool:
        """Whether the control alone was above the limit in this interval."""
        bad, total = row.control.pairs[self.measure.slot]
        return bad > self.measure.limit * total


@dataclass(frozen=True, slots=True)
class Breach:
    """A window in which the canary broke a limit, how likely that is by chance, and the control's part."""

    limit: Limit
    window: Window
    chance: float
    shared: bool


def limits(plan: RolloutPlan, phase: Phase) -> tuple[Limit, ...]:
    """The rate limits of *phase*, in the plan's order."""
    rules = [rule for rule in phase.rollback if isinstance(rule, ErrorRateAbove | LatencyAbove)]
    return tuple(_limit(plan, phase, rule) for rule in rules)


def harm(phase: Phase) -> float | None:
    """The lowest error rate that takes the version back at once in *phase*."""
    rules = [rule for rule in phase.rollback if isinstance(rule, ErrorRateAbove) and rule.sustained is None]
    return min((rule.above for rule in rules), default=None)


def breach(limit: Limit, windows: Windows, *, judged_from: datetime, interval: timedelta) -> Breach | None:
    """
    The window in which *limit* is broken now, if there is one.

    A window that the control does not break as well comes first, then the shortest.
    """
    if limit.sustained is None:
        candidates = [windows.last(count) for count in _counts(windows)]
    else:
        candidates = [_whole(windows, limit.sustained, judged_from=judged_from, interval=interval)]
    longest = windows.last(min(len(windows.rows), LONGEST))
    alone = longest is None or not longest.control(limit.measure.slot)[1]
    found = [broken for window in candidates if window and (broken := _broken(limit, window, alone=alone))]
    return min(found, key=lambda one: one.shared, default=None)


def episode(limit: Limit, windows: Windows, before: int | None) -> int:
    """
    For how many intervals after the first of a shared breach the control has been above the limit by now.

    *before* is the number an interval ago, None when the breach is new. It begins again once the control
    has kept the limit for five intervals, and a single one above it, an error by chance, does not count.
    """
    latest = [limit.present(row) for row in list(windows.rows)[-PAUSE:]]
    if before is None or (len(latest) == PAUSE and not any(latest)):
        return 0
    return before + all(latest[-2:])


def accuse(found: Breach, *, attribution: Attribution, excused: timedelta | None, grace: timedelta) -> Reason:
    """
    Say what *found* means; *excused* is for how long the control was above the limit in a shared breach.

    Literally every breach is harmful. Attributed, a breach that the control shares is not
    the canary's until that has lasted for *grace*; after that the version is taken back to be safe.
    """
    excuse = attribution is Attribution.ATTRIBUTED and found.shared and (excused or timedelta(0)) < grace
    finding = Finding.INCONCLUSIVE if excuse else Finding.HARMFUL
    mode = _mode(found, attribution, excused=excuse, grace=grace)
    return told(found, finding, mode=f"; {mode}" if mode else "")


def _limit(plan: RolloutPlan, phase: Phase, rule: ErrorRateAbove | LatencyAbove) -> Limit:
    measured = measure(rule, plan.cuts)
    good = _good_errors(plan, phase, measured.limit) if measured.slot == 0 else measured.limit / 2
    lasting = f" for {words.lasting(rule.sustained)}" if rule.sustained else ""
    return Limit(
        key=f"{measured.said}{lasting}",
        measure=measured,
        good=good,
        budget=plan.alpha / LOOKS,
        sustained=rule.sustained,
        attributed=plan.attribution is Attribution.ATTRIBUTED,
    )


def _good_errors(plan: RolloutPlan, phase: Phase, limit: float) -> float:
    """The error rate of a good version: what the plan wants proved, or a tenth of the limit."""
    for one in (phase, *plan.phases):
        for rule in one.success:
            if isinstance(rule, ErrorRateBelow):
                return min(rule.below, limit)
    return limit / 10


def _counts(windows: Windows) -> tuple[int, ...]:
    kept = min(len(windows.rows), INTERVALS[-1])
    return tuple(sorted({min(count, kept) for count in INTERVALS}))


def _whole(windows: Windows, span: timedelta, *, judged_from: datetime, interval: timedelta) -> Window | None:
    window = windows.lasting(span)
    if window is None or window.until - span < judged_from:
        return None
    return window if 2 * len(window.rows) * interval >= span else None


def _broken(limit: Limit, window: Window, *, alone: bool) -> Breach | None:
    chance = _exceeded(limit, window.canary(limit.measure.slot))
    if chance is None:
        return None
    slot = limit.measure.slot
    shared = _exceeded(limit, window.control(slot)) is not None
    if not shared and limit.attributed and not alone:
        shared = not worse(window.canary(slot), window.control(slot), budget=limit.budget)
    return Breach(limit, window, chance, shared)


def worse(canary: Pair, control: Pair, *, budget: float) -> bool:
    """Whether chance gives the canary so many of both arms' bad requests no more often than *budget*."""
    share = canary[1] / (canary[1] + control[1])
    return tail(canary[0], canary[0] + control[0], share) <= budget


def _exceeded(limit: Limit, counts: Pair) -> float | None:
    bad, total = counts
    if not total or bad / total <= limit.measure.limit:
        return None
    chance = tail(bad, total, limit.good)
    return chance if chance <= limit.budget else None


def _mode(found: Breach, attribution: Attribution, *, excused: bool, grace: timedelta) -> str:
    if not found.shared:
        return ""
    if attribution is Attribution.LITERAL:
        return "the control breaks the same limit; taken back because the plan says literal"
    if excused:
        return f"the control is no better: held until it has been so for {words.lasting(grace)} (attributed)"
    return f"the control has broken it too for {words.lasting(grace)}, taken back (attributed) to be safe"


def told(found: Breach, finding: Finding, *, mode: str) -> Reason:
    """*found* in words and numbers; *mode* is added to the sentence."""
    limit, window = found.limit, found.window
    measured, (bad, total) = limit.measure, window.canary(limit.measure.slot)
    endpoint = window.endpoint(measured.slot)
    against = f"control {measured.told(*window.control(measured.slot))}"
    where = f", most of them on {endpoint}" if endpoint else ""
    return Reason(
        criterion=measured.criterion,
        finding=finding,
        rule="sustained-limit" if limit.sustained else "absolute-limit",
        text=(
            f"canary {measured.told(bad, total)} in {words.last(window.until - window.since)}{where}, "
            f"limit {words.percent(measured.limit)}; {against} in the same time; "
            f"by chance {words.chance(found.chance)} at a true {words.percent(limit.good)}{mode}"
        ),
        value=words.percent(bad / total),
        threshold=measured.threshold,
        baseline=against,
        bad=bad,
        total=total,
        since=window.since,
        until=window.until,
        endpoint=endpoint,
    )
