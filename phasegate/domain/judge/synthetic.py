"""
What synthetic requests show: evidence of its own beside that of users, never mixed with it.

The same requests went to canary and control in the same intervals, so errors are compared by E_rel alone
(``strict``: no history of users speaks of them), and a limit that the control breaks as well accuses
nobody. All of it spends a tenth of the plan's alpha on top of what users' requests spend. Latency is
not compared: a version that nobody uses is cold.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import exp, log
from typing import Any

from phasegate.domain.judge import absolute, words
from phasegate.domain.judge.contrast import DOUBTFUL
from phasegate.domain.judge.measure import Measure
from phasegate.domain.judge.memory import Sums, load_row, row_state
from phasegate.domain.judge.silence import Quiet, quiet
from phasegate.domain.judge.success import Evidence, Rated, judge_rate
from phasegate.domain.judge.tally import ERRORS, blame, tally
from phasegate.domain.judge.trial import Terms, Trial
from phasegate.domain.judge.windows import Row, Windows
from phasegate.domain.observation import Minute
from phasegate.domain.plan import Attribution, Phase, RolloutPlan
from phasegate.domain.synthetic import synthetic_in
from phasegate.domain.verdict import Finding, Reason

SHARE = 0.1
WEIGHT = 50.0
# The limit is broken beyond chance already; this only asks whether the control was any better.
BESIDE = 0.05
COMPARED, LIMIT = "synthetic-comparison", "synthetic-limit"


@dataclass
class Answers:
    """
    The synthetic requests of one phase, and the comparison over all phases.

    ``heard`` is the end of the newest interval in which the canary gave an answer that was asked for.
    """

    plan: RolloutPlan
    phase: Phase
    entered: datetime
    trial: Trial
    windows: Windows
    alone: Sums
    pool: Sums
    until: datetime | None = None
    heard: datetime | None = None
    query: str = ""
    newest: datetime | None = None

    @classmethod
    def begin(cls, plan: RolloutPlan, phase: Phase, at: datetime, *, versions: tuple[str, str]) -> "Answers":
        """None were sent yet; *phase* began *at*; *versions* are canary and control."""
        rules = _rules(plan)
        trial = Trial.start(Terms.of(rules, canary=versions[0], control=versions[1]))
        trial.enter(phase)
        sums = Sums.start(at, plan.cuts)
        return cls(
            rules, phase, at, trial, Windows(_reach(rules, phase)), sums, Sums.start(at, plan.cuts), None
        )

    def enter(self, phase: Phase, at: datetime) -> None:
        """A phase begins: limits and the end of a silence start anew, the comparison goes on."""
        self.phase, self.entered, self.heard = phase, at, None
        self.windows = Windows(_reach(self.plan, phase))
        self.alone = Sums.start(at, self.plan.cuts)
        self.trial.enter(phase)

    def add(self, minute: Minute, *, judged_from: datetime) -> None:
        """Take the next interval; one from before *judged_from*, or known already, is ignored."""
        if minute.start < judged_from or (self.newest is not None and minute.start <= self.newest):
            return
        self.newest, self.until, self.query = minute.start, minute.end, minute.query
        row = self._row(minute)
        if not row.canary.served:
            return
        bad, total = row.canary.pairs[ERRORS]
        self.heard = minute.end if bad < total else self.heard
        self.windows.append(row)
        self.alone.add(row)
        self.pool.add(row)
        self.trial.add(minute)

    def end(self, found: Quiet | None, *, plan: RolloutPlan, now: datetime) -> Quiet | None:
        """*found* as it stands when the canary has given right answers to synthetic requests lately."""
        lately = self.heard and not quiet(plan, heard=self.heard, away_since=None, now=now)
        if found is None or found.away_since or not lately:
            return found
        canary, control = self.alone.canary.pairs[ERRORS], self.alone.control.pairs[ERRORS]
        instead = f"it answered {_good(*canary)} synthetic requests, the control {_good(*control)}"
        return replace(found, holds=False, instead=instead, why=self.lets_prove)

    @property
    def may_prove(self) -> bool:
        """Whether the canary was heard, and the plan lets that prove something."""
        return bool(self.heard and self.lets_prove)

    @property
    def lets_prove(self) -> str:
        """Why the plan lets them prove success criteria; empty when it does not."""
        sent = synthetic_in(self.plan, self.phase)
        return sent.proves if sent else ""

    def reasons(self, *, judged_from: datetime) -> tuple[Reason, ...]:
        """What they show: a broken limit, and the comparison; nothing before the first was answered."""
        if not self.alone.canary.served or self.until is None:
            return ()
        found = (
            absolute.breach(
                self._beside(limit), self.windows, judged_from=judged_from, interval=self.plan.interval
            )
            for limit in absolute.limits(self.plan, self.phase)
        )
        broken = (_broken(one, query=self.query) for one in found if one is not None)
        return (*broken, self._compared(self.until))

    def _beside(self, limit: absolute.Limit) -> absolute.Limit:
        """A good version fails these requests no more often than the control, whatever the plan hopes."""
        bad, total = self.pool.control.pairs[limit.measure.slot]
        return replace(limit, good=max(limit.good, (bad + 0.5) / (total + WEIGHT)))

    def rated(self, measured: Measure) -> Rated:
        """Whether all answers so far would prove the criterion *measured*, if the plan lets them."""
        until = self.until or self.entered
        pool = Evidence(self.pool.canary, self.pool.control, self.pool.since, until)
        alone = Evidence(self.alone.canary, self.alone.control, self.alone.since, until)
        return judge_rate(measured, pool=pool, phase=alone, alpha=self.plan.alpha)

    def _row(self, minute: Minute) -> Row:
        terms, cuts = self.trial.terms, self.plan.cuts
        return Row(
            start=minute.start,
            end=minute.end,
            canary=tally(minute, terms.canary, cuts=cuts),
            control=tally(minute, terms.control, cuts=cuts),
            blame=blame(minute, terms.canary, cuts=cuts),
        )

    def _compared(self, until: datetime) -> Reason:
        span = self.trial.total.span if self.trial.total else None
        canary, control = self.alone.canary.pairs[ERRORS], self.alone.control.pairs[ERRORS]
        if span and span.since:
            canary, control = span.canary, span.control
        evidence, alpha = self.trial.log_evidence, self.plan.alpha
        finding = _finding(evidence, alpha)
        unit = words.unit(self.plan.interval)
        return Reason(
            criterion="error-rate",
            finding=finding,
            rule=COMPARED,
            text=(
                f"canary {_of(*canary)} synthetic requests failed, control {_of(*control)} in the same "
                f"{unit}: {_meaning(finding, evidence, alpha)}"
            ),
            value=f"evidence {words.evidence(exp(min(evidence, 700.0)))}",
            threshold=f">= {words.evidence(1 / alpha)}",
            baseline=f"control {_of(*control)} failed",
            bad=canary[0],
            total=canary[1],
            since=(span.since if span else None) or self.alone.since,
            until=until,
            endpoint=", ".join(self.trial.guilty()[:3]),
            query=self.query,
        )

    def state(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "entered": self.entered.isoformat(),
            "trial": self.trial.state(),
            "rows": [row_state(row, self.entered) for row in self.windows.rows],
            "alone": self.alone.state(),
            "pool": self.pool.state(),
            "times": [at.isoformat() if at else None for at in (self.until, self.heard, self.newest)],
            "query": self.query,
        }

    @classmethod
    def load(
        cls, plan: RolloutPlan, phase: Phase, state: dict[str, Any], *, versions: tuple[str, str]
    ) -> "Answers":
        """Read what :meth:`state` wrote."""
        rules, entered = _rules(plan), datetime.fromisoformat(state["entered"])
        until, heard, newest = (datetime.fromisoformat(at) if at else None for at in state["times"])
        return cls(
            rules,
            phase,
            entered,
            Trial.load(Terms.of(rules, canary=versions[0], control=versions[1]), state["trial"]),
            Windows(_reach(rules, phase), [load_row(row, entered) for row in state["rows"]]),
            Sums.load(state["alone"]),
            Sums.load(state["pool"]),
            until,
            heard,
            state["query"],
            newest,
        )


def _rules(plan: RolloutPlan) -> RolloutPlan:
    """The plan as synthetic requests are judged by it."""
    comparison = plan.comparison.model_copy(update={"strict": True})
    telemetry = plan.telemetry.model_copy(update={"ladder": ()})
    changes = {
        "alpha": SHARE * plan.alpha,
        # That the control breaks a limit too is seen below, on these requests by themselves.
        "attribution": Attribution.LITERAL,
        "comparison": comparison,
        "telemetry": telemetry,
    }
    return plan.model_copy(update=changes)


def _reach(plan: RolloutPlan, phase: Phase) -> timedelta:
    spans = (limit.sustained for limit in absolute.limits(plan, phase) if limit.sustained)
    return max(spans, default=timedelta(0))


def _broken(found: absolute.Breach, *, query: str) -> Reason:
    """A limit that is broken; when the control is no better, the requests or the platform are at fault."""
    slot = found.limit.measure.slot
    own = absolute.worse(found.window.canary(slot), found.window.control(slot), budget=BESIDE)
    accused = own and not found.shared
    finding = Finding.HARMFUL if accused else Finding.INCONCLUSIVE
    mode = "" if accused else "; the control is no better, so they accuse nobody"
    reason = absolute.told(found, finding, mode=mode)
    told = {"rule": LIMIT, "text": f"synthetic requests: {reason.text}", "query": query}
    return reason.model_copy(update=told)


def decisive(reason: Reason) -> bool:
    """Whether *reason* bears on the verdict; that both versions answer badly is only told."""
    return reason.finding is Finding.HARMFUL or (
        reason.rule == COMPARED and reason.finding is not Finding.HEALTHY
    )


def proved(rated: Rated, answers: Answers | None, measured: Measure) -> Rated:
    """Take an unproven criterion for healthy when synthetic requests prove it and the plan says why."""
    why = answers.lets_prove if answers else ""
    if rated.violated or rated.doubtful or rated.reason.finding is not Finding.INCONCLUSIVE:
        return rated
    if answers is None or not why:
        return rated
    ours = answers.rated(measured).reason
    if ours.finding is not Finding.HEALTHY:
        return rated
    text = f"{rated.reason.text}; proved by synthetic requests ({ours.text}), which the plan allows: {why}"
    changes = {"finding": Finding.HEALTHY, "rule": "synthetic-proof", "text": text}
    return Rated(rated.reason.model_copy(update=changes), violated=False, doubtful=False)


def _finding(evidence: float, alpha: float) -> Finding:
    if evidence >= -log(alpha):
        return Finding.HARMFUL
    return Finding.INCONCLUSIVE if evidence >= log(DOUBTFUL) else Finding.HEALTHY


def _meaning(finding: Finding, evidence: float, alpha: float) -> str:
    if finding is Finding.HEALTHY:
        return "no sign of harm"
    taken_back = "" if finding is Finding.HARMFUL else f", taken back at {words.chance(alpha)}"
    return f"{words.chance(exp(-evidence))} by chance{taken_back}"


def _of(bad: int, total: int) -> str:
    return f"{words.count(bad)} of {words.count(total)}"


def _good(bad: int, total: int) -> str:
    return _of(total - bad, total)
