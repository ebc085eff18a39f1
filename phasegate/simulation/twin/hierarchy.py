"""The comparison with the service's own history, for arrays: see ``phasegate.domain.judge.hierarchy``."""

from dataclasses import dataclass

import numpy as np

from phasegate.domain.judge.climate import BURSTS, MOST, Pace
from phasegate.domain.judge.hierarchy import ALTERNATIVES
from phasegate.simulation.rollouts import Flags, Floats
from phasegate.simulation.twin.likelihood import (
    log_beta,
    log_binomial,
    log_choose,
    log_factorial,
    log_gamma,
    log_or_never,
)

Bursts = tuple[Floats, Floats]


@dataclass(frozen=True, slots=True)
class Climate:
    """
    What is believed before an interval, for each of the histories (it holds, it is out of date): ln of its
    *chance*, Gamma(a, b) if calm, shape (2, streams), and bursts (2, 2, streams), the kinds first.
    """

    chance: Floats
    a: Floats
    b: Floats
    bursts: Floats

    @property
    def logs(self) -> tuple[Floats, Floats, Floats]:
        """ln of the chances of calm and of each kind of burst."""
        calm = np.maximum(1 - (self.bursts[0] + self.bursts[1]), 0.0)
        return log_or_never(calm), log_or_never(self.bursts[0]), log_or_never(self.bursts[1])


@dataclass(frozen=True, slots=True)
class Climates:
    """What is believed of both arms together, and of the control alone."""

    both: Climate
    control: Climate

    def only(self, going: Flags) -> "Climates":
        """The streams that are still followed."""
        kept = (
            Climate(one.chance[:, going], one.a[:, going], one.b[:, going], one.bursts[..., going])
            for one in (self.both, self.control)
        )
        return Climates(*kept)


@dataclass(frozen=True, slots=True)
class Counted:
    """One interval of every rollout: (bad, total) of canary and control, and what is computed once."""

    x1: Floats
    n1: Floats
    x0: Floats
    n0: Floats

    def shared(self) -> tuple[Bursts, Bursts, Floats]:
        """ln of the control's counts in a burst, of the canary's given the control's; ln C(n1, x1)."""
        choose0, choose1 = log_choose(self.x0, self.n0), log_choose(self.x1, self.n1)
        control, canary = [], []
        for u, v in BURSTS:
            start = log_beta(np.asarray(u), np.asarray(v))
            middle = log_beta(self.x0 + u, self.n0 - self.x0 + v)
            bad, good = self.x0 + self.x1, self.n0 - self.x0 + self.n1 - self.x1
            control.append(np.where(self.n0 > 0, choose0 + middle - start, 0.0))
            canary.append(np.where(self.n1 > 0, choose1 + log_beta(bad + u, good + v) - middle, 0.0))
        return (control[0], control[1]), (canary[0], canary[1]), choose1


class _Calm:
    """A climate's calm predictions of one interval; what several of them need is computed once."""

    def __init__(self, climate: Climate, counts: Counted) -> None:
        self._counts = counts
        self._a, self._b = climate.a + counts.x0, climate.b + counts.n0
        self._arranged = _arranged(counts.x1, self._a)
        arranged = _arranged(counts.x0, climate.a)
        self.control = _negative_binomial(arranged, counts.x0, counts.n0, climate.a, climate.b)

    def canary(self, kappa: float = 1.0) -> Floats:
        """ln of the canary's counts given the control's, at *kappa* times the rate."""
        counts = self._counts
        return _negative_binomial(self._arranged, counts.x1, counts.n1, self._a, self._b / kappa)


def step(climates: Climates, counts: Counted, *, each: Pace) -> tuple[Floats, Climates]:
    """
    ln of the likelihood ratio of every alternative, shape (alternatives, rollouts), and what is believed
    next. Where one of the arms served nobody the ratios mean nothing; the caller leaves them out.
    """
    both, control = climates.both, climates.control
    burst0, burst1, choose = counts.shared()
    joint = (burst0[0] + burst1[0], burst0[1] + burst1[1])
    under_null, alone = _Calm(both, counts), _Calm(control, counts)
    calm = under_null.control + under_null.canary()
    beliefs = both.logs, control.logs
    null = np.logaddexp(beliefs[0][0] + calm, _in_burst(beliefs[0], joint))
    own = np.logaddexp(beliefs[1][0] + alone.control, _in_burst(beliefs[1], burst0))
    canary = np.stack(
        [
            alone.canary(one.kappa)
            if one.kappa
            else np.broadcast_to(
                log_binomial(counts.x1, counts.n1, one.theta, choose=choose)
                if one.theta
                else -np.log(counts.n1 + 1),
                control.a.shape,
            )
            for one in ALTERNATIVES
        ]
    )
    told = np.logaddexp(beliefs[1][0] + alone.control + canary, _in_burst(beliefs[1], joint))
    ratios = _either(control.chance + told) - _either(both.chance + null)
    bad, total = counts.x0 + counts.x1, counts.n0 + counts.n1
    kept = [
        _learned(climate, arm, _told(belief, chance, bursts), whole, each=each, seen=total > 0)
        for climate, arm, belief, chance, bursts, whole in (
            (both, (bad, total), beliefs[0], calm, joint, null),
            (control, (counts.x0, counts.n0), beliefs[1], alone.control, burst0, own),
        )
    ]
    return ratios, Climates(*kept)


def _arranged(bad: Floats, a: Floats) -> Floats:
    """ln G(a + bad)/(G(a) bad!): 0 where nothing failed, which is nearly everywhere."""
    found, some = np.zeros_like(a), bad > 0
    few, of = bad[some], a[..., some]
    found[..., some] = log_gamma(of + few) - log_gamma(of) - log_factorial(few)
    return found


def _negative_binomial(arranged: Floats, bad: Floats, total: Floats, a: Floats, b: Floats) -> Floats:
    """ln NB(bad; total, a, b) with ln of the number of arrangements; 0 where nothing was served."""
    failed = np.zeros_like(b)
    np.log1p(b / np.maximum(total, 1e-300), out=failed, where=bad > 0)
    return np.where(total > 0, arranged - a * np.log1p(total / b) - bad * failed, 0.0)


def _either(told: Floats) -> Floats:
    """ln of the sum over the histories, the last axis but one."""
    return np.asarray(np.logaddexp(told[..., 0, :], told[..., 1, :]))


def _in_burst(logs: tuple[Floats, Floats, Floats], bursts: Bursts) -> Floats:
    return np.asarray(np.logaddexp(logs[1] + bursts[0], logs[2] + bursts[1]))


def _told(logs: tuple[Floats, Floats, Floats], calm: Floats, bursts: Bursts) -> tuple[Floats, ...]:
    """How likely each state was in this interval: calm and each kind of burst."""
    told = (logs[0] + calm, logs[1] + bursts[0], logs[2] + bursts[1])
    whole = np.logaddexp(np.logaddexp(told[0], told[1]), told[2])
    return tuple(np.exp(one - whole) for one in told)


def _learned(
    climate: Climate,
    counts: tuple[Floats, Floats],
    states: tuple[Floats, ...],
    whole: Floats,
    *,
    each: Pace,
    seen: Flags,
) -> Climate:
    was_calm, sharp, mild = states
    bad, total = counts
    a, b = _forgotten(climate.a + was_calm * bad, climate.b + was_calm * total)
    begins = each.begins * was_calm
    chance = climate.chance + whole
    return Climate(
        np.where(seen, chance - _either(chance), climate.chance),
        np.where(seen, a, climate.a),
        np.where(seen, b, climate.b),
        np.where(seen, np.stack([each.lasts * sharp + begins, each.lasts * mild + begins]), climate.bursts),
    )


def _forgotten(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    many = a > MOST
    return np.where(many, MOST, a), np.where(many, b * MOST / a, b)
