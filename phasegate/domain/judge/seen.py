"""What the traffic of a soak that is over would have shown: told with a decision, and kept with it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from phasegate.domain.criteria import ErrorRateBelow, LatencyBelow
from phasegate.domain.judge import words
from phasegate.domain.judge.measure import Measure, measure
from phasegate.domain.judge.power import Sight, base_rate, sight
from phasegate.domain.judge.tally import Pair, Tally, nothing, tally
from phasegate.domain.observation import Minute
from phasegate.domain.phase import Environment
from phasegate.domain.plan import Phase, RolloutPlan
from phasegate.domain.verdict import Finding, Reason


@dataclass(frozen=True, slots=True)
class Seen:
    """One success criterion: what canary and control answered in the same intervals, and what that shows."""

    measure: Measure
    canary: Pair
    control: Pair
    sight: Sight

    @property
    def text(self) -> str:
        """One sentence for the person who decides."""
        what = "failed requests" if not self.measure.cut else f"requests slower than {self.measure.cut}"
        measured = (
            f"{words.count(self.canary[1])} requests of the canary beside {words.count(self.control[1])} of "
            f"the control ({words.percent(self.sight.base)} {what})"
        )
        if self.sight.median is None:
            return f"{measured} are too few: not even a version that always fails would have been seen"
        likely = "not even one to 100 %" if self.sight.likely is None else words.percent(self.sight.likely)
        return (
            f"with this traffic, {measured}, a rise to {words.percent(self.sight.median)} would have been "
            f"seen in half of releases, {likely} in 95 %"
        )


def seen(
    plan: RolloutPlan,
    phase: Phase,
    minutes: Iterable[Minute],
    *,
    soaks: Mapping[str, datetime],
    canary: str,
    control: str,
) -> tuple[Seen, ...]:
    """
    What the *minutes* judged so far would have shown, for each rate that *phase* is to prove.

    *soaks* says when each phase's soak began. Intervals in which one of the two served nobody
    compare nothing; without any other there is nothing to tell: an empty tuple.
    """
    ours, theirs = compared(plan, minutes, soaks=soaks, canary=canary, control=control)
    rules = [rule for rule in phase.success if isinstance(rule, ErrorRateBelow | LatencyBelow)]
    found = (_seen(measure(rule, plan.cuts), ours, theirs) for rule in rules)
    return tuple(one for one in found if one.canary[1] and one.control[1])


def low_traffic_reason(shown: Seen) -> Reason:
    """What is kept when unproven criteria are accepted: the smallest regression that would have been seen."""
    smallest = "none" if shown.sight.median is None else words.percent(shown.sight.median)
    return Reason(
        criterion=shown.measure.criterion,
        finding=Finding.INCONCLUSIVE,
        rule="smallest-visible",
        text=shown.text,
        value=f"smallest rise that would have been seen: {smallest}",
        threshold=shown.measure.threshold,
        baseline=f"control {shown.measure.told(*shown.control)}",
        bad=shown.canary[0],
        total=shown.canary[1],
    )


def compared(
    plan: RolloutPlan, minutes: Iterable[Minute], *, soaks: Mapping[str, datetime], canary: str, control: str
) -> tuple[Tally, Tally]:
    """What *canary* and *control* answered in the judged intervals in which both served."""
    starts = _starts(plan, soaks)
    ours = theirs = nothing(plan.cuts)
    for minute in minutes:
        if not _judged(minute, starts):
            continue
        one, other = (tally(minute, version, cuts=plan.cuts) for version in (canary, control))
        if one.served and other.served:
            ours, theirs = ours + one, theirs + other
    return ours, theirs


def _starts(plan: RolloutPlan, soaks: Mapping[str, datetime]) -> list[tuple[datetime, datetime]]:
    """(soak's start, end of its warmup) of the production phases, newest first."""
    found = []
    for name, since in soaks.items():
        phase = plan.phase(name)
        if phase.environment is Environment.PRODUCTION:
            found.append((since, since + (phase.soak.warmup if phase.soak else timedelta(0))))
    return sorted(found, reverse=True)


def _judged(minute: Minute, starts: list[tuple[datetime, datetime]]) -> bool:
    for since, judged_from in starts:
        if minute.start >= since:
            return minute.start >= judged_from
    return False


def _seen(measured: Measure, ours: Tally, theirs: Tally) -> Seen:
    canary, control = ours.pairs[measured.slot], theirs.pairs[measured.slot]
    return Seen(measured, canary, control, sight(canary[1], base=base_rate(*control)))
