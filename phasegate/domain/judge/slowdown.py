"""
How much more likely an answer is so slow when all answers, or a part of them, take some times as long.

A score for each bucket of a ladder, fixed when the comparison begins: the tilt by any scores is fair as
long as the counts had no part in them, and stays so for a faster canary as long as they grow. Where the
control's distribution is known they say more than ranks among the few requests of one interval.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise, product
from math import exp, log

from phasegate.domain.judge.ladder import Ladder, shifts

TIMES = (1.25, 1.5, 2.0, 3.0)
# Double weight in the middle, where most slowdowns are.
WEIGHTS = (1, 2, 2, 1)
# Parts of all answers, and how many times as long they take: with a few of each no tail is far from one.
PARTS, FAR = (0.02, 0.1), (5.0, 20.0)
# What history has hardly ever seen must not decide by itself.
_MOST, _MOST_OF_TAILS, _LEAST = 3.0, 5.0, 1e-6

Scores = tuple[float, ...]


@lru_cache(maxsize=256)
def scores(known: Ladder, cuts: tuple[int, ...], tolerated: float) -> tuple[Scores, ...]:
    """
    For each of TIMES ln of the ratio of the chances of every bucket, the fastest first.

    Compared with a control that takes *tolerated* times as long as *known*; none with fewer than two cuts.
    """
    if len(cuts) < 2:
        return ()
    usual = _usual(known, cuts, tolerated)
    slower = (_chances(slowed(known, cuts, times=times * tolerated)) for times in TIMES)
    return tuple(_growing(_scored(some, usual, most=_MOST), usual) for some in slower)


@lru_cache(maxsize=256)
def tails(known: Ladder, cuts: tuple[int, ...], tolerated: float) -> tuple[Scores, ...]:
    """
    The same for each of PARTS by FAR, when a part of the answers takes so many times as long.

    Counted from the fastest bucket on, so none is below 0: :func:`.tilt.rare` needs that.
    """
    if len(cuts) < 2:
        return ()
    usual = _usual(known, cuts, tolerated)
    found = []
    for part, times in product(PARTS, FAR):
        slower = _chances(slowed(known, cuts, times=times * tolerated))
        mixed = [(1 - part) * one + part * other for one, other in zip(usual, slower, strict=True)]
        growing = _growing(_scored(mixed, usual, most=_MOST_OF_TAILS), usual)
        found.append(tuple(score - growing[0] for score in growing))
    return tuple(found)


def slowed(known: Ladder, cuts: Sequence[int], *, times: float) -> list[float]:
    """The tails of *known* when every answer takes *times* as long: straight between cuts, logit over log."""
    places = [log(cut) for cut in cuts]
    logits = [log(tail / (1 - tail)) for tail in (known.tail(at) for at in range(len(cuts)))]
    return [1 / (1 + exp(-_between(place - log(times), places, logits))) for place in places]


def _usual(known: Ladder, cuts: tuple[int, ...], tolerated: float) -> list[float]:
    shift = shifts(known, cuts, times=tolerated)
    return _chances([min(1.0, known.tail(at) * shift[at]) for at in range(len(cuts))])


def _scored(slower: list[float], usual: list[float], *, most: float) -> list[float]:
    return [max(-most, min(most, log(one / other))) for one, other in zip(slower, usual, strict=True)]


def _growing(values: list[float], weights: list[float]) -> Scores:
    """The growing values that are closest (Ayer et al. 1955: neighbours in the wrong order are averaged)."""
    kept: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        kept.append((value, weight, 1))
        while len(kept) > 1 and kept[-2][0] > kept[-1][0]:
            (one, heavy, many), (other, light, few) = kept[-2:]
            kept[-2:] = [((one * heavy + other * light) / (heavy + light), heavy + light, many + few)]
    return tuple(value for value, _, count in kept for _ in range(count))


def _between(at: float, places: list[float], values: list[float]) -> float:
    """Before the first place the first value."""
    if at <= places[0]:
        return values[0]
    for (left, one), (right, other) in pairwise(zip(places, values, strict=True)):
        if at <= right:
            return one + (other - one) * (at - left) / (right - left)
    return values[-1]


def _chances(tails: list[float]) -> list[float]:
    falling, most = [], 1.0
    for tail in tails:
        most = min(most, tail)
        falling.append(most)
    return [max(one - other, _LEAST) for one, other in pairwise((1.0, *falling, 0.0))]
