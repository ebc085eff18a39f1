"""
Whether the canary's requests take the slower places among all requests of an interval, or the higher scores.

Every request has a place s between 0 and 1, the middle rank of its bucket among both arms. If the
arms are equal, which places are the canary's is chance, and exp(beta sum of its s) over what
chance gives has mean 1 at most (Hoeffding: drawing without replacement scatters less).
"""

from collections.abc import Sequence
from math import exp, log

from phasegate.domain.judge.ladder import Ladder

BETAS = (0.5, 1.0, 2.0, 4.0)


def log_ratios(
    betas: Sequence[float],
    canary: Ladder,
    control: Ladder,
    *,
    shift: Sequence[float],
    scores: Sequence[Sequence[float]] = (),
) -> list[float]:
    """
    ln LR of each beta in one interval, then of each of *scores* (one number a bucket, fixed before).

    Against a control whose tails are *shift* times as heavy.
    """
    slower = [min(number * times, control.total) for number, times in zip(control.slow, shift, strict=True)]
    ours, theirs = _buckets(canary.slow, canary.total), _buckets(_falling(slower), control.total)
    together = canary.total + control.total
    places, before = [], 0.0
    for one, other in zip(ours, theirs, strict=True):
        places.append((before + (one + other) / 2) / together)
        before += one + other
    ranked = [[beta * place for place in places] for beta in betas]
    return [_log_ratio(one, ours, theirs) for one in (*ranked, *scores)]


def _log_ratio(scores: Sequence[float], ours: list[float], theirs: list[float]) -> float:
    whole = total = told = 0.0
    for score, one, other in zip(scores, ours, theirs, strict=True):
        whole += (one + other) * exp(score)
        total += one + other
        told += one * score
    return told - sum(ours) * log(whole / total)


def _buckets(slow: Sequence[float], total: float) -> list[float]:
    """How many requests lie between the cuts, the fastest first."""
    edges = [total, *slow, 0.0]
    return [edges[at] - edges[at + 1] for at in range(len(edges) - 1)]


def _falling(slow: list[float]) -> list[float]:
    """A steep shift of one tail must not overtake the tail before it."""
    for at in range(len(slow) - 1, 0, -1):
        slow[at - 1] = max(slow[at - 1], slow[at])
    return slow
