"""Whether the success criteria are proved, over this phase and those before it."""

from dataclasses import dataclass
from datetime import datetime

from phasegate.domain.judge import words
from phasegate.domain.judge.measure import Measure
from phasegate.domain.judge.proof import Proof, Standing, missing, prove, standing
from phasegate.domain.judge.tally import Pair, Tally
from phasegate.domain.verdict import Finding, Reason


@dataclass(frozen=True, slots=True)
class Evidence:
    """What canary and control answered from *since* until *until*, all intervals together."""

    canary: Tally
    control: Tally
    since: datetime
    until: datetime


def judge_rate(measured: Measure, *, pool: Evidence, phase: Evidence, alpha: float) -> tuple[Reason, bool]:
    """
    Judge one rate and say whether it is violated.

    The pool of all phases proves; the phase alone or the pool violates, so good hours at
    10 % cannot hide a bad one at 50 %.
    """
    worse = phase if _violated(measured, phase, alpha=alpha) else pool
    bad, total = worse.canary.pairs[measured.slot]
    proof = prove(bad, total, limit=measured.limit, alpha=alpha)
    finding = Finding.HEALTHY if proof.standing is Standing.PROVEN else Finding.INCONCLUSIVE
    text = _text(measured, (bad, total), proof=proof, alpha=alpha)
    return _reason(measured, worse, finding=finding, text=text), proof.standing is Standing.VIOLATED


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
