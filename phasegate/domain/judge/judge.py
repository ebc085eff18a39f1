"""The judge of one release: fed with intervals and health checks, asked for a verdict at any time."""

from datetime import datetime, timedelta
from typing import Any

from phasegate.domain.criteria import (
    ErrorRateBelow,
    HealthFailing,
    HealthPassing,
    LatencyBelow,
    NoCriticalAlert,
)
from phasegate.domain.errors import Refused
from phasegate.domain.judge import absolute, alerts, contrast, health, memory, silence
from phasegate.domain.judge.measure import measure
from phasegate.domain.judge.memory import Memory, Sums
from phasegate.domain.judge.success import Evidence, Rated, judge_rate, relieved
from phasegate.domain.judge.synthetic import Answers, decisive, proved
from phasegate.domain.judge.tally import blame, nothing, tally
from phasegate.domain.judge.trial import Terms, Trial
from phasegate.domain.judge.windows import LONGEST, Row, Windows
from phasegate.domain.observation import Minute, Probe
from phasegate.domain.plan import Phase, RolloutPlan
from phasegate.domain.verdict import Alert, Finding, Reason, Verdict, worst

_LOUDEST_FIRST = {Finding.HARMFUL: 0, Finding.INCONCLUSIVE: 1, Finding.HEALTHY: 2}


class Judge:
    """
    Compares what the canary does with what the plan allows.

    *control* and *canary* are version ids; without a control (staging, or 100 %) *control*
    is empty. The state is bounded and can be saved at any time.
    """

    def __init__(self, plan: RolloutPlan, *, control: str, canary: str) -> None:
        if not canary or canary == control:
            raise Refused(
                f"judge: the canary must be a version of its own, not {canary!r} beside {control!r}"
            )
        self._plan, self._control, self._canary = plan, control, canary
        self._cuts = plan.cuts
        self._table = alerts.table(plan)
        self._keep = _reach(plan)
        self._memory: Memory | None = None
        self._answers: Answers | None = None
        self._trial = Trial.start(Terms.of(plan, canary=canary, control=control))
        self._follow()

    def learn(self, minute: Minute) -> None:
        """Take an interval, of any length, from before the release: what the control usually does."""
        self._trial.learn(minute)

    def enter(self, phase: str, at: datetime) -> None:
        """
        Begin *phase* at *at*: windows, health and silence start anew; proof goes on.

        Evidence of the staging environment proves nothing about production, so the pool
        starts anew between the two. Entering the same phase at the same time changes nothing.
        """
        before = self._memory
        if before and (before.phase, before.entered) == (phase, at):
            return
        self._memory = Memory(
            phase=self._known(phase).name,
            entered=at,
            heard=at,
            alone=Sums.start(at, self._cuts),
            pool=self._pooled(before, phase) or Sums.start(at, self._cuts),
            windows=Windows(self._keep),
            newest=before.newest if before else None,
            away_since=before.away_since if before else None,
        )
        self._follow()
        self._trial.enter(self._phase)
        if self._answers is not None:
            self._answers.enter(self._phase, at)

    def add(self, minute: Minute) -> None:
        """Take the next complete interval; one that was seen already is ignored."""
        kept = self._entered()
        kept.away_since = None
        if kept.newest is not None and minute.start <= kept.newest:
            return
        kept.newest = minute.start
        row = self._row(minute)
        if row.canary.served and minute.end > kept.heard:
            kept.heard = minute.end
        if minute.start < self._judged_from:
            return
        kept.judged_until = minute.end
        self._trial.add(minute)
        if row.canary.served:
            self._count(row, query=minute.query)

    def answered(self, minute: Minute) -> None:
        """Take the next interval of synthetic requests; they are judged apart from those of users."""
        kept = self._entered()
        if self._answers is None:
            versions = (self._canary, self._control)
            self._answers = Answers.begin(self._plan, self._phase, kept.entered, versions=versions)
        self._answers.add(minute, judged_from=self._judged_from)

    def probe(self, probe: Probe) -> None:
        """Take a health check; one from before the phase, or not newer than the last, is ignored."""
        kept = self._entered()
        if probe.at >= kept.entered:
            kept.health = health.checked(kept.health, probe)

    def away(self, at: datetime) -> None:
        """Note that the metrics source did not answer; the next :meth:`add` ends it."""
        kept = self._entered()
        kept.away_since = kept.away_since or at

    def verdict(self, now: datetime) -> Verdict:
        """What the evidence says at *now*; asking changes nothing."""
        kept = self._entered()
        quiet = self._quiet(kept, now)
        silent = quiet is not None and quiet.holds
        firing = alerts.firing(self._table, windows=None if silent else kept.windows, health=kept.health)
        broken = self._broken(kept)
        criteria, rated = self._criteria(kept, firing, now=now, silent=silent)
        compared = contrast.contrast(self._trial, until=kept.judged_until, query=kept.query)
        heard = (silence.unheard(quiet),) if quiet else ()
        instead = quiet is not None and bool(quiet.instead)
        asked = self._answers.reasons(judged_from=self._judged_from) if self._answers else ()
        # A silence that only warns is told but decides nothing: the plan says when it holds.
        found = (*broken, *compared, *criteria, *(heard if silent or instead else ()))
        found = (*found, *(reason for reason in asked if decisive(reason)))
        return Verdict(
            phase=kept.phase,
            at=now,
            finding=worst(tuple(one.finding for one in found)),
            reasons=_sorted((*broken, *asked, *heard, *criteria, *compared)),
            violated=any(rate.violated for rate in rated),
            doubtful=any(rate.doubtful for rate in rated) or any(map(decisive, asked)),
            silent=silent,
            synthetic=instead,
            synthetic_until=self._answers.until if self._answers else None,
            alerts=(*firing, *self._unlike_history(), *((silence.warn(quiet),) if quiet else ())),
            judged_until=kept.judged_until,
            age=max(now - (kept.judged_until or kept.entered), timedelta(0)),
            evidence=self._trial.path.shown,
        )

    def state(self) -> dict[str, Any]:
        """Everything that was seen, JSON-serialisable; :meth:`load` goes on from it."""
        return {
            "format": memory.FORMAT,
            "control": self._control,
            "canary": self._canary,
            "cuts": list(self._plan.counted),
            "trial": self._trial.state(),
            "memory": self._memory.state() if self._memory else None,
            "synthetic": self._answers.state() if self._answers else None,
        }

    @classmethod
    def load(cls, plan: RolloutPlan, state: dict[str, Any]) -> "Judge":
        """Go on from *state*; raises Refused when it does not belong to *plan*."""
        memory.fits(state, cuts=plan.counted)
        judge = cls(plan, control=state["control"], canary=state["canary"])
        judge._trial = Trial.load(judge._trial.terms, state["trial"])
        if state["memory"]:
            judge._known(state["memory"]["phase"])
            judge._memory = memory.load(state["memory"], keep=judge._keep)
            judge._follow()
        if state.get("synthetic"):
            versions = (judge._canary, judge._control)
            judge._answers = Answers.load(plan, judge._phase, state["synthetic"], versions=versions)
        return judge

    def _follow(self) -> None:
        """Make ready what the present phase needs at every interval."""
        if self._memory is None:
            return
        self._phase = self._known(self._memory.phase)
        self._limits = absolute.limits(self._plan, self._phase)
        warmup = self._phase.soak.warmup if self._phase.soak else timedelta(0)
        self._judged_from = self._memory.entered + warmup

    def _known(self, name: str) -> Phase:
        for phase in self._plan.phases:
            if phase.name == name:
                return phase
        names = ", ".join(phase.name for phase in self._plan.phases)
        raise Refused(f"judge: plan {self._plan.name!r} has no phase {name!r}; it has {names}")

    def _entered(self) -> Memory:
        if self._memory is None:
            raise Refused("judge: no phase has been entered; call enter() first")
        return self._memory

    def _pooled(self, before: Memory | None, phase: str) -> Sums | None:
        if before is None or self._known(before.phase).environment is not self._known(phase).environment:
            return None
        return before.pool

    def _row(self, minute: Minute) -> Row:
        control = tally(minute, self._control, cuts=self._cuts) if self._control else nothing(self._cuts)
        return Row(
            start=minute.start,
            end=minute.end,
            canary=tally(minute, self._canary, cuts=self._cuts),
            control=control,
            blame=blame(minute, self._canary, cuts=self._cuts),
        )

    def _count(self, row: Row, *, query: str) -> None:
        kept = self._entered()
        kept.windows.append(row)
        kept.alone.add(row)
        kept.pool.add(row)
        kept.query = query
        for limit in self._limits:
            found = self._breach(kept, limit)
            if found and found.shared:
                # A window stays above the limit long after a burst: only the burst uses up the grace.
                kept.excused[limit.key] = absolute.episode(limit, kept.windows, kept.excused.get(limit.key))
            else:
                kept.excused.pop(limit.key, None)

    def _breach(self, kept: Memory, limit: absolute.Limit) -> absolute.Breach | None:
        return absolute.breach(
            limit, kept.windows, judged_from=self._judged_from, interval=self._plan.interval
        )

    def _broken(self, kept: Memory) -> tuple[Reason, ...]:
        rates = [self._accused(kept, found) for limit in self._limits if (found := self._breach(kept, limit))]
        rules = [rule for rule in self._phase.rollback if isinstance(rule, HealthFailing)]
        checks = [reason for rule in rules if (reason := health.failing(rule, kept.health))]
        return (*rates, *checks)

    def _accused(self, kept: Memory, found: absolute.Breach) -> Reason:
        reason = absolute.accuse(
            found,
            attribution=self._plan.attribution,
            excused=kept.excused.get(found.limit.key, 0) * self._plan.interval,
            grace=LONGEST * self._plan.interval,
        )
        return reason.model_copy(update={"query": kept.query})

    def _criteria(
        self, kept: Memory, firing: tuple[Alert, ...], *, now: datetime, silent: bool
    ) -> tuple[tuple[Reason, ...], tuple[Rated, ...]]:
        reasons, rated = [], []
        for rule in self._phase.success:
            match rule:
                case ErrorRateBelow() | LatencyBelow():
                    rated.append(self._rate(kept, rule))
                    reason = rated[-1].reason.model_copy(update={"query": kept.query})
                case HealthPassing():
                    reason = health.passing(kept.health, plan=self._plan, now=now)
                case NoCriticalAlert():
                    reason = self._no_critical(kept, firing, silent=silent)
                case _:
                    continue
            reasons.append(reason)
        return tuple(reasons), tuple(rated)

    def _rate(self, kept: Memory, rule: ErrorRateBelow | LatencyBelow) -> Rated:
        until = kept.judged_until or kept.entered
        rated = judge_rate(
            measure(rule, self._cuts),
            pool=Evidence(kept.pool.canary, kept.pool.control, kept.pool.since, until),
            phase=Evidence(kept.alone.canary, kept.alone.control, kept.alone.since, until),
            alpha=self._plan.alpha,
        )
        total, harm = self._trial.total, absolute.harm(self._phase)
        if total and harm is not None and self._trial.running and isinstance(rule, ErrorRateBelow):
            rated = relieved(rated, compared=total.canary, control=total.control, harm=harm)
        return proved(rated, self._answers, measure(rule, self._cuts))

    def _unlike_history(self) -> tuple[Alert, ...]:
        alone = self._trial.alone
        return alone.alerts(alpha=self._plan.alpha) if alone else ()

    def _no_critical(self, kept: Memory, firing: tuple[Alert, ...], *, silent: bool) -> Reason:
        window = kept.windows.last(1)
        heard = (window is not None and not silent) or bool(self._answers and self._answers.may_prove)
        known = not silence.awaited(self._phase) or heard
        return alerts.no_critical(firing, known=known, window=window)

    def _quiet(self, kept: Memory, now: datetime) -> silence.Quiet | None:
        if not silence.awaited(self._phase):
            return None
        found = silence.quiet(self._plan, heard=kept.heard, away_since=kept.away_since, now=now)
        return self._answers.end(found, plan=self._plan, now=now) if self._answers else found


def _reach(plan: RolloutPlan) -> timedelta:
    """How far back any rule looks in time."""
    limits = [limit for phase in plan.phases for limit in absolute.limits(plan, phase)]
    return max((alerts.MINUTE, *(limit.sustained for limit in limits if limit.sustained)))


def _sorted(reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    return tuple(sorted(reasons, key=lambda reason: _LOUDEST_FIRST[reason.finding]))
