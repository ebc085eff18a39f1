"""The evidence of latency over time, for arrays: see ``phasegate.domain.judge.latency``."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log

import numpy as np

from phasegate.domain.judge import latency
from phasegate.domain.judge.ladder import MOST_SHIFT, Ladder
from phasegate.domain.judge.latency import LEAST_KNOWN, Rules
from phasegate.domain.judge.tilt import BETAS
from phasegate.simulation.rollouts import Arm, Flags, Floats, Ints
from phasegate.simulation.twin.likelihood import log_or_never
from phasegate.simulation.twin.purse import Purse


def log_evidence(
    canary: Arm, control: Arm, known: Ints, total: Ints, steps: Sequence[int], *, rules: Rules
) -> Floats:
    """
    ln E of the latency after each interval, shape (rollouts, intervals).

    *known* (rollouts, cuts) of *total* requests are the control's slow ones from before: enough of
    them that the comparison begins with the first interval in which both arms served; before it
    there are no counts.
    """
    if canary.slow is None or control.slow is None or (total < LEAST_KNOWN).any():
        raise ValueError("latency: slow requests must be counted, and 100 of the history known")
    streams = _Streams(*_scores(known, total, rules), rules)
    found = np.zeros(canary.total.shape)
    slow, seen = known.astype(float), total.astype(float)
    for at in range(canary.total.shape[1]):
        if at in steps:
            streams.purse.raise_weight()
        one, other = canary.slow[:, at].astype(float), control.slow[:, at].astype(float)
        n1, n0 = canary.total[:, at].astype(float), control.total[:, at].astype(float)
        shift = shifts(slow, seen, rules)
        found[:, at] = streams.after(one, n1, other, n0, shift=shift, odds=_odds(slow, seen, shift))
        slow, seen = slow + other, seen + n0
    return found


def shifts(slow: Floats, total: Floats, rules: Rules) -> Floats:
    """By what each tail grows when every answer takes *times* as long, shape (rollouts, cuts)."""
    if rules.times <= 1 or len(rules.cuts) < 2:
        return np.ones_like(slow)
    tails = (slow + 0.5) / (total[:, None] + 1)
    logits = np.log(tails / (1 - tails))
    steps = (logits[:, :-1] - logits[:, 1:]) / np.diff(np.log(rules.cuts))
    slopes = np.maximum(np.maximum(_first_twice(steps), _last_twice(steps)), 0.0)
    grown = 1 / (1 + np.exp(-(logits + slopes * log(rules.times))))
    return np.clip(grown / tails, 1.0, MOST_SHIFT)


def _odds(slow: Floats, total: Floats, shift: Floats) -> Floats:
    """See ``phasegate.domain.judge.ladder``, shape (rollouts, buckets)."""
    tails = (slow + 0.5) / (total[:, None] + 1)
    usual, slower = (
        _buckets(tails, np.ones(len(tails))),
        _buckets(np.minimum(1.0, tails * shift), np.ones(len(tails))),
    )
    grown = np.divide(slower, usual, out=np.ones_like(usual), where=usual > 0)
    return np.maximum.accumulate(np.clip(grown, 1.0, MOST_SHIFT), axis=1)


class _Streams:
    """The stakes of every rollout; *slowdowns* and *tails* have shape (components, rollouts, buckets)."""

    def __init__(self, slowdowns: Floats, tails: Floats, rules: Rules) -> None:
        self._slowdowns, self._tails = slowdowns, tails
        shares = np.array(latency.shares_of(len(slowdowns), len(tails)))
        self._shares = log_or_never(shares)[:, None]
        streams = slowdowns.shape[1]
        self._stakes = np.full((len(shares), streams), -inf)
        self.purse = Purse.begin(streams, rules.course.intervals)

    def after(
        self, one: Floats, n1: Floats, other: Floats, n0: Floats, *, shift: Floats, odds: Floats
    ) -> Floats:
        compared: Flags = (n1 > 0) & (n0 > 0)
        dealt = _Dealt.of(one, n1, other, n0, shift)
        ranked = [beta * dealt.places for beta in BETAS]
        ratios = np.stack(
            [_drawn(some, dealt) for some in (*ranked, *self._slowdowns)]
            + [_rare(some, dealt, odds) for some in self._tails]
        )
        paid = log_or_never(self.purse.pay(compared))
        grown = np.logaddexp(self._stakes, self._shares + paid) + ratios
        self._stakes = np.where(compared, grown, self._stakes)
        cash = log_or_never(self.purse.cash)[None]
        return np.asarray(np.logaddexp.reduce(np.concatenate([cash, self._stakes]), axis=0))


@dataclass(frozen=True, slots=True)
class _Dealt:
    """See ``phasegate.domain.judge.tilt``; *ways* to choose one, two and three of a bucket."""

    ours: Floats
    both: Floats
    seen: Floats
    drawn: Floats
    together: Floats
    ways: tuple[Floats, Floats, Floats]

    @classmethod
    def of(cls, one: Floats, n1: Floats, other: Floats, n0: Floats, shift: Floats) -> "_Dealt":
        slower = np.minimum(other * shift, n0[:, None])
        falling = np.maximum.accumulate(slower[:, ::-1], axis=1)[:, ::-1]
        ours, theirs = _buckets(one, n1), _buckets(falling, n0)
        both = ours + theirs
        whole = np.floor(both)
        part, pairs = both - whole, whole * (whole - 1) / 2
        ways = both, pairs + part * whole, pairs * (whole - 2) / 3 + part * pairs
        return cls(ours, both, ours + _buckets(other, n0), n1, np.maximum(n1 + n0, 1.0), ways)

    @property
    def places(self) -> Floats:
        return np.asarray((np.cumsum(self.both, axis=1) - self.both / 2) / self.together[:, None])


def _drawn(scores: Floats, dealt: _Dealt) -> Floats:
    one, two, three = (np.zeros(len(scores)) for _ in range(3))
    for at, weight in enumerate(np.exp(scores).T):
        singles, pairs, triples = (some[:, at] for some in dealt.ways)
        heavy, square = singles * weight, weight * weight
        three = three + two * heavy + (one * pairs + triples * weight) * square
        two = two + one * heavy + pairs * square
        one = one + heavy
    most, all_of = np.clip(dealt.drawn, 1, 3), dealt.together
    chosen = [one / all_of, two / _at_least_one(all_of * (all_of - 1) / 2)]
    chosen.append(three / _at_least_one(all_of * (all_of - 1) * (all_of - 2) / 6))
    mean = np.choose(most.astype(np.int64) - 1, chosen)
    told = (dealt.ours * scores).sum(axis=1)
    return np.asarray(told - dealt.drawn / most * np.log(np.maximum(mean, 1e-300)))


def _rare(scores: Floats, dealt: _Dealt, odds: Floats) -> Floats:
    served = dealt.drawn[:, None] * odds
    share = served / np.maximum(served + (dealt.together - dealt.drawn)[:, None], 1.0)
    given = (dealt.seen * np.log1p(share * (np.exp(scores) - 1))).sum(axis=1)
    return np.asarray((dealt.ours * scores).sum(axis=1) - given)


def _at_least_one(ways: Floats) -> Floats:
    return np.maximum(ways, 1.0)


def _buckets(slow: Floats, total: Floats) -> Floats:
    return -np.diff(slow, axis=1, prepend=total[:, None], append=0.0)


def _scores(known: Ints, total: Ints, rules: Rules) -> tuple[Floats, Floats]:
    """What slowdowns and tails look like to every rollout, each of shape (components, rollouts, buckets)."""
    begun = [Ladder(tuple(slow), served) for slow, served in zip(known.tolist(), total.tolist(), strict=True)]
    made = [latency.made_of(one, rules) for one in begun]
    slowdowns, tails = (np.array([one[at] for one in made]) for at in (0, 1))
    return np.moveaxis(slowdowns, 1, 0), np.moveaxis(tails, 1, 0)


def _first_twice(steps: Floats) -> Floats:
    return np.concatenate([steps[:, :1], steps], axis=1)


def _last_twice(steps: Floats) -> Floats:
    return np.concatenate([steps, steps[:, -1:]], axis=1)
