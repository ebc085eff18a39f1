"""Whether the success criteria are proved, over this phase and those before it."""

from dataclasses import dataclass
from datetime import datetime

from phasegate.domain.judge import words
from phasegate.domain.judge.binomial import tail
from phasegate.domain.judge.measure import Measure
from phasegate.domain.judge.power import base_rate, power_reached
from phasegate.domain.judge.proof import Proof, Standing, missing, prove, standing
from phasegate.domain.judge.tally import Pair, Tally
from phasegate.domain.verdict import Finding, Reason

DOUBT = 0.05


@dataclass(frozen=True, slots=True)
class Evidence:
    """What canary and control answered from *since* until *until*, all intervals together."""

    canary: Tally
    control: Tally
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Rated:
    """
    One rate, judged: *violated* is proved, *doubtful* is what chance explains in fewer than 5 % of cases.

    Doubt proves nothing, but thin evidence that speaks against a version is not accepted as thin.
    """

    reason: Reason
    violated: bool
    doubtful: bool


def judge_rate(measured: Measure, *, pool: Evidence, phase: Evidence, alpha: float) -> Rated:
    """
    Judge one rate.

    The pool of all phases proves; the phase alone or the pool violates, so good hours at
    10 % cannot hide a bad one at 50 %.
    """
    worse = phase if _violated(measured, phase, alpha=alpha) else pool
    bad, total = worse.canary.pairs[measured.slot]
    proof = prove(bad, total, limit=measured.limit, alpha=alpha)
    finding = Finding.HEALTHY if proof.standing is Standing.PROVEN else Finding.INCONCLUSIVE
    text = _text(measured, (bad, total), proof=proof, alpha=alpha)
    return Rated(
        _reason(measured, worse, finding=finding, text=text),
        violated=proof.standing is Standing.VIOLATED,
        doubtful=_doubtful(measured, pool) or _doubtful(measured, phase),
    )


def relieved(rated: Rated, *, compared: Pair, control: Pair, harm: float) -> Rated:
    """
    Take an unproven error rate for healthy once a harmful one would have shown beside the control.

    *compared* and *control* are (failed, served) in the same intervals, *harm* is the rate that takes
    a version back. Counts that speak against the criterion relieve nothing.
    """
    if rated.violated or rated.doubtful or rated.reason.finding is not Finding.INCONCLUSIVE:
        return rated
    if not power_reached(compared[1], base=base_rate(*control), rate=harm):
        return rated
    text = (
        f"{rated.reason.text}; enough all the same: one that fails {words.percent(harm)} would have shown "
        f"beside the control in 95 % of releases after {words.count(compared[1])} requests"
    )
    reason = rated.reason.model_copy(update={"finding": Finding.HEALTHY, "rule": "power", "text": text})
    return Rated(reason, violated=False, doubtful=False)


def _doubtful(measured: Measure, evidence: Evidence) -> bool:
    bad, total = evidence.canary.pairs[measured.slot]
    return bad > 0 and tail(bad, total, measured.limit) <= DOUBT


def _violated(measured: Measure, evidence: Evidence, *, alpha: float) -> bool:
    bad, total = evidence.canary.pairs[measured.slot]
    return standing(bad, total, limit=measured.limit, alpha=alpha) is Standing.VIOLATED


def _text(measured: Measure, counts: Pair, *, proof: Proof, alpha: float) -> str:
    limit = f"limit {measured.sign} {words.percent(measured.limit)}"
    if not counts[1]:
        return f"no request of the canary has been judged, {limit}; {_needed(measured, counts, alpha=alpha)}"
    told = (
        f"canary {measured.told(*counts)}, {limit}: {proof.standing}; the true rate is between "
        f"{words.percent(proof.lower)} and {words.percent(proof.upper)}"
    )
    if proof.standing is not Standing.UNPROVEN:
        return told
    return f"{told}; {_needed(measured, counts, alpha=alpha)}"


def _needed(measured: Measure, counts: Pair, *, alpha: float) -> str:
    more = missing(*counts, limit=measured.limit, alpha=alpha)
    if more is None:
        return "no number of requests can prove it"
    return f"{words.count(more)} more clean requests would prove it"


def _reason(measured: Measure, evidence: Evidence, *, finding: Finding, text: str) -> Reason:
    bad, total = evidence.canary.pairs[measured.slot]
    return Reason(
        criterion=measured.criterion,
        finding=finding,
        rule="confidence-sequence",
        text=text,
        value=words.percent(bad / total) if total else "no data",
        threshold=measured.threshold,
        baseline=f"control {measured.told(*evidence.control.pairs[measured.slot])}",
        bad=bad,
        total=total,
        since=evidence.since,
        until=evidence.until,
    )
