"""
Whether the canary's requests take the slower places among all requests of an interval, or the higher scores.

Every request has a place s between 0 and 1, the middle rank of its bucket among both arms. If the
arms are equal, which places are the canary's is chance, and exp(beta sum of its s) over what
chance gives has mean 1 at most. What chance gives is known for up to three requests of the canary and
bounded for more; for scores of which few are above 0 there is a bound that is closer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, exp, log, log1p

from phasegate.domain.judge.ladder import Ladder

BETAS = (0.5, 1.0, 2.0, 4.0)

Scores = Sequence[float]


@dataclass(frozen=True, slots=True)
class Dealt:
    """
    How many requests of an interval are in each bucket, the fastest first.

    *ours* are the canary's; *both* counts with them the control's, as they would be with its tails
    *shift* times as heavy, and *seen* as they are.
    """

    ours: list[float]
    both: list[float]
    seen: list[float]
    drawn: int
    together: int

    @property
    def places(self) -> list[float]:
        """The middle rank of each bucket, as a share of all."""
        found, before = [], 0.0
        for number in self.both:
            found.append((before + number / 2) / self.together)
            before += number
        return found


def dealt(canary: Ladder, control: Ladder, *, shift: Sequence[float]) -> Dealt:
    """Against a control whose tails are *shift* times as heavy."""
    slower = [min(number * times, control.total) for number, times in zip(control.slow, shift, strict=True)]
    ours, total = _buckets(canary.slow, canary.total), control.total
    both, seen = (_added(ours, _buckets(slow, total)) for slow in (_falling(slower), control.slow))
    return Dealt(ours, both, seen, canary.total, canary.total + total)


def bounded(scores: Sequence[Scores], found: Dealt) -> list[float]:
    """ln LR of each of *scores*: the mean over all places is what chance gives at most (Hoeffding 1963)."""
    return [_told(some, found) - found.drawn * log(_mean(some, found)) for some in scores]


def drawn(scores: Sequence[Scores], found: Dealt) -> list[float]:
    """
    ln LR of each of *scores*, as if up to three requests were drawn one after the other and not put back.

    From more than three chance gives no more than so many thirds of what it gives for three (Maclaurin).
    """
    ways = [_ways(number) for number in found.both]
    most = min(found.drawn, 3)
    each, all_ways = found.drawn / most, comb(found.together, most)
    return [_told(some, found) - each * log(_drawn(some, ways)[most - 1] / all_ways) for some in scores]


def rare(scores: Sequence[Scores], found: Dealt, *, odds: Sequence[float]) -> list[float]:
    """
    ln LR of each of *scores*, none below 0, as if each request were the canary's by a chance of its own.

    *odds* is how many times as likely than another one of the bucket is the canary's.

    That so many are the canary's lets those with high scores only push each other out (negative
    association, Joag-Dev and Proschan 1983), so chance gives no more; and hardly less where few score.
    """
    theirs = found.together - found.drawn
    shares = [found.drawn * times / (found.drawn * times + theirs) for times in odds]
    return [
        _told(some, found)
        - sum(
            number * log1p(share * (exp(score) - 1))
            for score, number, share in zip(some, found.seen, shares, strict=True)
            if number
        )
        for some in scores
    ]


def ranked(betas: Sequence[float], found: Dealt) -> list[Scores]:
    """The scores of each beta: places."""
    places = found.places
    return [[beta * place for place in places] for beta in betas]


def _added(some: list[float], others: list[float]) -> list[float]:
    return [one + other for one, other in zip(some, others, strict=True)]


def _told(scores: Scores, found: Dealt) -> float:
    return sum(score * number for score, number in zip(scores, found.ours, strict=True))


def _mean(scores: Scores, found: Dealt) -> float:
    whole = sum(number * exp(score) for score, number in zip(scores, found.both, strict=True))
    return whole / found.together


def _ways(number: float) -> tuple[float, float, float]:
    """Ways to choose one, two and three; a fraction of a request is one with that chance."""
    whole = float(int(number))
    part, pairs = number - whole, whole * (whole - 1) / 2
    return number, pairs + part * whole, pairs * (whole - 2) / 3 + part * pairs


def _drawn(scores: Scores, ways: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    """The sums of the products of one, two and three requests' weights e^score."""
    one = two = three = 0.0
    for score, (singles, pairs, triples) in zip(scores, ways, strict=True):
        if singles:
            weight = exp(score)
            heavy, square = singles * weight, weight * weight
            three += two * heavy + (one * pairs + triples * weight) * square
            two += one * heavy + pairs * square
            one += heavy
    return one, two, three


def _buckets(slow: Sequence[float], total: float) -> list[float]:
    """How many requests lie between the cuts, the fastest first."""
    edges = [total, *slow, 0.0]
    return [edges[at] - edges[at + 1] for at in range(len(edges) - 1)]


def _falling(slow: list[float]) -> list[float]:
    """A steep shift of one tail must not overtake the tail before it."""
    for at in range(len(slow) - 1, 0, -1):
        slow[at - 1] = max(slow[at - 1], slow[at])
    return slow
