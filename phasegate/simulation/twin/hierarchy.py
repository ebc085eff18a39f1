"""The comparison with the service's own history, for arrays: see ``phasegate.domain.judge.hierarchy``."""

from dataclasses import dataclass

import numpy as np

from phasegate.domain.judge.climate import BURSTS, MOST, Pace
from phasegate.domain.judge.hierarchy import ALTERNATIVES, Alternative
from phasegate.simulation.rollouts import Flags, Floats
from phasegate.simulation.twin.likelihood import (
    log_beta,
    log_binomial,
    log_choose,
    log_negative_binomial,
    log_or_never,
    log_sum,
)

Bursts = tuple[Floats, Floats]


@dataclass(frozen=True, slots=True)
class Climate:
    """What is believed before an interval, shape (streams,): Gamma(a, b) if calm; bursts (2, streams)."""

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
            Climate(one.a[going], one.b[going], one.bursts[:, going]) for one in (self.both, self.control)
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


def step(climates: Climates, counts: Counted, *, each: Pace) -> tuple[Floats, Climates]:
    """
    ln of the likelihood ratio of every alternative, shape (alternatives, rollouts), and what is believed
    next. Where one of the arms served nobody the ratios mean nothing; the caller leaves them out.
    """
    both, control = climates.both, climates.control
    burst0, burst1, choose = counts.shared()
    joint = (burst0[0] + burst1[0], burst0[1] + burst1[1])
    calm_both = log_negative_binomial(counts.x0, counts.n0, both.a, both.b) + log_negative_binomial(
        counts.x1, counts.n1, both.a + counts.x0, both.b + counts.n0
    )
    alone = log_negative_binomial(counts.x0, counts.n0, control.a, control.b)
    null = _mixed(both, calm_both, joint)
    ratios = [
        _mixed(control, alone + _canary(one, control, counts, choose), joint) - null for one in ALTERNATIVES
    ]
    seen = counts.n0 + counts.n1 > 0
    return np.stack(ratios), Climates(
        _learned(both, counts.x0 + counts.x1, counts.n0 + counts.n1, calm_both, joint, each=each, seen=seen),
        _learned(control, counts.x0, counts.n0, alone, burst0, each=each, seen=seen),
    )


def _mixed(climate: Climate, calm: Floats, bursts: Bursts) -> Floats:
    told = climate.logs
    return log_sum(told[0] + calm, told[1] + bursts[0], told[2] + bursts[1])


def _canary(one: Alternative, climate: Climate, counts: Counted, choose: Floats) -> Floats:
    if one.kappa:
        a, b = climate.a + counts.x0, (climate.b + counts.n0) / one.kappa
        return log_negative_binomial(counts.x1, counts.n1, a, b)
    if one.theta:
        return log_binomial(counts.x1, counts.n1, one.theta, choose=choose)
    return -np.log(counts.n1 + 1)


def _learned(
    climate: Climate,
    bad: Floats,
    total: Floats,
    calm: Floats,
    bursts: Bursts,
    *,
    each: Pace,
    seen: Flags,
) -> Climate:
    logs = climate.logs
    told = (logs[0] + calm, logs[1] + bursts[0], logs[2] + bursts[1])
    whole = log_sum(*told)
    was_calm, sharp, mild = (np.exp(one - whole) for one in told)
    a, b = _forgotten(climate.a + was_calm * bad, climate.b + was_calm * total)
    begins = each.begins * was_calm
    return Climate(
        np.where(seen, a, climate.a),
        np.where(seen, b, climate.b),
        np.where(seen, np.stack([each.lasts * sharp + begins, each.lasts * mild + begins]), climate.bursts),
    )


def _forgotten(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    many = a > MOST
    return np.where(many, MOST, a), np.where(many, b * MOST / a, b)
