"""The evidence of latency over time, for arrays: see ``phasegate.domain.judge.latency``."""

from collections.abc import Sequence
from math import inf, log

import numpy as np

from phasegate.domain.judge import latency, slowdown
from phasegate.domain.judge.ladder import MOST_SHIFT, Ladder
from phasegate.domain.judge.latency import LEAST_KNOWN, Race, Rules
from phasegate.domain.judge.tilt import BETAS
from phasegate.simulation.rollouts import Arm, Flags, Floats, Ints
from phasegate.simulation.twin.likelihood import log_or_never
from phasegate.simulation.twin.purse import Purse

NO_RACE: Race = (0, 1.0)


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
    streams = _Streams(_races(canary, control, known, total, rules), _scores(known, total, rules), rules)
    found = np.zeros(canary.total.shape)
    slow, seen = known.astype(float), total.astype(float)
    for at in range(canary.total.shape[1]):
        if at in steps:
            streams.purse.raise_weight()
        one, other = canary.slow[:, at].astype(float), control.slow[:, at].astype(float)
        n1, n0 = canary.total[:, at].astype(float), control.total[:, at].astype(float)
        found[:, at] = streams.after(one, n1, other, n0, shift=shifts(slow, seen, rules))
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


class _Streams:
    """The stakes of every rollout; rollouts have races of their own, so unused places have no share."""

    def __init__(self, races: list[tuple[Race, ...]], scores: Floats, rules: Rules) -> None:
        places = max((len(one) for one in races), default=0)
        padded = [(*one, *((NO_RACE,) * (places - len(one)))) for one in races]
        self._cut = np.array([[cut for cut, _ in one] for one in padded], dtype=np.int64)
        self._psi = np.array([[psi for _, psi in one] for one in padded], dtype=float)
        self._scores, count = scores, len(scores)
        shares = [latency.shares_of(len(one), slowdowns=count) for one in races]
        unused = [(0.0,) * (places - len(one)) for one in races]
        self._shares = log_or_never(
            np.array([(*some, *none) for some, none in zip(shares, unused, strict=True)]).T
        )
        self._stakes = np.full(self._shares.shape, -inf)
        self.purse = Purse.begin(len(races), rules.course.intervals)

    def after(self, one: Floats, n1: Floats, other: Floats, n0: Floats, *, shift: Floats) -> Floats:
        compared: Flags = (n1 > 0) & (n0 > 0)
        tilts = _tilts(one, n1, other, n0, shift, self._scores)
        ratios = np.concatenate([tilts, self._raced(one, n1, other, n0, shift)])
        paid = log_or_never(self.purse.pay(compared))
        grown = np.logaddexp(self._stakes, self._shares + paid) + ratios
        self._stakes = np.where(compared, grown, self._stakes)
        cash = log_or_never(self.purse.cash)[None]
        return np.asarray(np.logaddexp.reduce(np.concatenate([cash, self._stakes]), axis=0))

    def _raced(self, one: Floats, n1: Floats, other: Floats, n0: Floats, shift: Floats) -> Floats:
        bad, bad0, rho = (np.take_along_axis(each, self._cut, axis=1) for each in (one, other, shift))
        null = np.maximum(rho * n1[:, None] + n0[:, None], 1e-300)
        odds = np.maximum(self._psi * rho * n1[:, None] + n0[:, None], 1e-300)
        return np.asarray((bad * np.log(self._psi) - (bad + bad0) * np.log(odds / null)).T)


def _tilts(one: Floats, n1: Floats, other: Floats, n0: Floats, shift: Floats, scores: Floats) -> Floats:
    slower = np.minimum(other * shift, n0[:, None])
    falling = np.maximum.accumulate(slower[:, ::-1], axis=1)[:, ::-1]
    ours, theirs = _buckets(one, n1), _buckets(falling, n0)
    both, together = ours + theirs, np.maximum(n1 + n0, 1.0)
    places = (np.cumsum(both, axis=1) - both / 2) / together[:, None]
    ranked = [beta * places for beta in BETAS]
    return np.stack([_tilted(one, ours, both, together) for one in (*ranked, *scores)])


def _tilted(scores: Floats, ours: Floats, both: Floats, together: Floats) -> Floats:
    mean = (both * np.exp(scores)).sum(axis=1) / together
    told = (ours * scores).sum(axis=1) - ours.sum(axis=1) * np.log(np.maximum(mean, 1e-300))
    return np.asarray(told)


def _buckets(slow: Floats, total: Floats) -> Floats:
    return -np.diff(slow, axis=1, prepend=total[:, None], append=0.0)


def _scores(known: Ints, total: Ints, rules: Rules) -> Floats:
    """What slowdowns look like to every rollout, shape (slowdowns, rollouts, buckets)."""
    begun = [Ladder(tuple(slow), served) for slow, served in zip(known.tolist(), total.tolist(), strict=True)]
    found = [slowdown.scores(one, rules.cuts, rules.times) for one in begun]
    return np.moveaxis(np.array(found), 1, 0)


def _races(canary: Arm, control: Arm, known: Ints, total: Ints, rules: Rules) -> list[tuple[Race, ...]]:
    """What the judge itself chooses in the first interval in which both arms served."""
    begins = ((canary.total > 0) & (control.total > 0)).argmax(axis=1)
    return [_chosen(canary, control, row, int(at), known, total, rules) for row, at in enumerate(begins)]


def _chosen(
    canary: Arm, control: Arm, row: int, at: int, known: Ints, total: Ints, rules: Rules
) -> tuple[Race, ...]:
    assert canary.slow is not None
    assert control.slow is not None
    history = Ladder(tuple(known[row].tolist()), int(total[row]))
    ours, theirs = (
        Ladder(tuple(slow[row, at].tolist()), int(served[row, at]))
        for slow, served in ((canary.slow, canary.total), (control.slow, control.total))
    )
    return latency.compared(latency.begin(rules, history), ours, theirs, rules=rules).races


def _first_twice(steps: Floats) -> Floats:
    return np.concatenate([steps[:, :1], steps], axis=1)


def _last_twice(steps: Floats) -> Floats:
    return np.concatenate([steps, steps[:, -1:]], axis=1)
