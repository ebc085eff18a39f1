"""What the comparison with the control says, for a person at three in the morning."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp, log

from phasegate.domain.judge import relative, words
from phasegate.domain.judge.power import base_rate, smallest_visible
from phasegate.domain.judge.stream import Stream
from phasegate.domain.judge.tally import Pair
from phasegate.domain.judge.trial import Trial
from phasegate.domain.quantities import format_duration
from phasegate.domain.verdict import Finding, Reason

RULE = "comparative-evidence"
DOUBTFUL = 20.0
_LARGEST = 700.0
_PSI = 2.0


@dataclass(frozen=True, slots=True)
class Told:
    """One criterion's evidence (ln E) with the counts that carry it."""

    criterion: str
    log_evidence: float
    canary: Pair
    control: Pair
    since: datetime
    said: str
    endpoint: str = ""
    more: str = ""


def contrast(trial: Trial, *, until: datetime | None, query: str) -> tuple[Reason, ...]:
    """
    A reason for the errors and one for the latency; none before both arms were compared.

    The average of both decides; the one with more evidence carries the finding.
    """
    if trial.total is None or trial.since is None or until is None or not trial.running:
        return ()
    told = [_errors(trial, trial.total, trial.since), *_latency(trial, trial.since)]
    told.sort(key=lambda one: -one.log_evidence)
    found = [_finding(trial), *(Finding.HEALTHY for _ in told[1:])]
    return tuple(
        _reason(one, trial, finding=finding, until=until, query=query)
        for one, finding in zip(told, found, strict=True)
    )


def _finding(trial: Trial) -> Finding:
    if trial.log_evidence >= -log(trial.terms.plan.alpha):
        return Finding.HARMFUL
    return Finding.INCONCLUSIVE if trial.log_evidence >= log(DOUBTFUL) else Finding.HEALTHY


def _errors(trial: Trial, total: Stream, since: datetime) -> Told:
    """Told are the counts of all requests or, where one endpoint says more, those of that endpoint."""
    guilty = trial.guilty()
    loudest, where = total, f", most on {', '.join(guilty[:3])}" if guilty else ""
    if guilty and trial.endpoints[guilty[0]].log_evidence > total.log_evidence:
        loudest, where = trial.endpoints[guilty[0]], f" on {guilty[0]}"
    span = loudest.span
    return Told(
        criterion="error-rate",
        log_evidence=trial.log_errors,
        canary=span.canary if span.since else loudest.canary,
        control=span.control if span.since else loudest.control,
        since=span.since or since,
        said=f"failed{where}",
        endpoint=", ".join(guilty[:3]),
        more=_could_be_seen(total),
    )


def _could_be_seen(total: Stream) -> str:
    seen = smallest_visible(total.canary[1], base=base_rate(*total.control))
    if seen is None:
        return "the requests are too few to see any rise"
    return f"a canary failing {words.percent(seen)} would have been seen in half of the releases"


def _latency(trial: Trial, since: datetime) -> list[Told]:
    """The cut at which the arms differ most is told; the distributions as a whole decide."""
    ours, theirs = trial.ours, trial.theirs
    if trial.latency is None or ours is None or theirs is None:
        return []
    cuts = trial.terms.plan.counted
    pairs = [
        ((slow, ours.total), (other, theirs.total))
        for slow, other in zip(ours.slow, theirs.slow, strict=True)
    ]
    weights = [relative.log_ratios((_PSI,), canary, control, rho=1.0)[0] for canary, control in pairs]
    at = weights.index(max(weights))
    slower = f"slower than {format_duration(timedelta(milliseconds=cuts[at]))}"
    return [Told("latency", trial.log_latency, *pairs[at], since, slower)]


def _reason(one: Told, trial: Trial, *, finding: Finding, until: datetime, query: str) -> Reason:
    alpha, decided = trial.terms.plan.alpha, trial.log_evidence
    bad, total = one.canary
    against = f"control {_counts(one.control)}"
    return Reason(
        criterion=one.criterion,
        finding=finding,
        rule=RULE,
        text=(
            f"canary {_counts(one.canary)} {one.said}, {against} in the same "
            f"{words.unit(trial.terms.plan.interval)}: "
            f"{_meaning(one, decided, finding=finding, alpha=alpha)}{_history(trial)}"
        ),
        value=f"evidence {words.evidence(exp(min(one.log_evidence, _LARGEST)))}",
        threshold=f">= {words.evidence(1 / alpha)}",
        baseline=f"{against} {one.said}",
        bad=bad,
        total=total,
        since=one.since,
        until=until,
        endpoint=one.endpoint,
        query=query,
    )


def _meaning(one: Told, decided: float, *, finding: Finding, alpha: float) -> str:
    if finding is Finding.HARMFUL:
        return f"{words.chance(exp(-decided))} by chance"
    limit = words.chance(alpha)
    if finding is Finding.INCONCLUSIVE:
        return f"{words.chance(exp(-decided))} by chance, taken back at {limit}"
    more = f"; {one.more}" if one.more else ""
    return f"no sign of harm{more}"


def _history(trial: Trial) -> str:
    bad, total = trial.history.counts
    if not total:
        return "; no history of the service is known, so the judge is slower at low traffic"
    return f"; before the release {_counts((bad, total))} failed"


def _counts(pair: Pair) -> str:
    return f"{words.count(pair[0])} of {words.count(pair[1])}"
