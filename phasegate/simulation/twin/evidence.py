"""One stream's evidence over time, for arrays: see ``phasegate.domain.judge.comparison``."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np

from phasegate.domain.judge.climate import Pace
from phasegate.domain.judge.comparison import MOST_AT_ONCE
from phasegate.domain.judge.hierarchy import ALTERNATIVES
from phasegate.domain.judge.relative import PSIS
from phasegate.domain.judge.setting import Setting
from phasegate.domain.judge.starts import weights
from phasegate.simulation.rollouts import Flags, Floats
from phasegate.simulation.twin.dispersion import Following, following
from phasegate.simulation.twin.hierarchy import Climate, Climates, Counted, step
from phasegate.simulation.twin.likelihood import log_or_never
from phasegate.simulation.twin.purse import Purse

_TIDY = 10


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of many streams; a component that a stream dropped has weight 0 there."""

    psis: Floats
    alternatives: Floats
    v: Floats
    rho: Floats
    scatter: Following
    prior: Climate
    each: Pace
    intervals: int
    times: float


def gathered(settings: Sequence[Setting]) -> Settings:
    """Put the settings of streams of one course side by side."""
    first = settings[0]
    return Settings(
        psis=_weights(PSIS, [one.psis for one in settings]),
        alternatives=_weights(ALTERNATIVES, [one.alternatives for one in settings]),
        v=np.array([one.v for one in settings]),
        rho=np.array([one.rho for one in settings]),
        scatter=following([one.scatter for one in settings]),
        prior=_prior(settings),
        each=first.each,
        intervals=first.intervals,
        times=first.times,
    )


def log_evidence(
    canary: tuple[Floats, Floats],
    control: tuple[Floats, Floats],
    steps: Sequence[int],
    *,
    how: Settings,
    enough: float = inf,
) -> Floats:
    """
    ln E after each interval, shape (streams, intervals), from ``(bad, total)`` of this shape.

    *steps* are the intervals in which the canary's weight is raised. A stream that has reached
    *enough* is not followed further: it keeps what it had.
    """
    intervals = canary[0].shape[1]
    found = np.zeros(canary[0].shape)
    rows = np.arange(len(found))
    stakes = _Stakes.begin(how, len(found))
    for at in range(intervals):
        if at in steps:
            stakes.raise_weight()
        if at % _TIDY == 0 and at and enough < inf:
            going = found[rows, at - 1] < enough
            found[rows[~going], at:] = found[rows[~going], at - 1, None]
            rows, stakes = rows[going], stakes.only(going)
            if not len(rows):
                break
        counts = Counted(*(one[rows, at] for one in (*canary, *control)))
        found[rows, at] = stakes.after(counts)
    return found


def _prior(settings: Sequence[Setting]) -> Climate:
    histories = list(zip(*(one.prior.histories for one in settings), strict=True))
    return Climate(
        np.array([[chance for chance, _ in some] for some in histories]),
        np.array([[one.a for _, one in some] for some in histories]),
        np.array([[one.b for _, one in some] for some in histories]),
        np.moveaxis(np.array([[one.bursts for _, one in some] for some in histories]), -1, 0),
    )


def _weights(components: Sequence[Hashable], kept: list[tuple[Any, ...]]) -> Floats:
    """ln of each component's share, shape (components, streams)."""
    shares = [dict(zip(some, weights(len(some)), strict=True)) for some in kept]
    return log_or_never(np.array([[one.get(name, 0.0) for one in shares] for name in components]))


class _Stakes:
    """What every stream has staked so far; changes with each interval."""

    def __init__(
        self,
        how: Settings,
        climates: Climates,
        purse: Purse,
        scatter: Following,
        logs: tuple[Floats, Floats],
    ):
        self._how, self._climates, self._purse, self._scatter = how, climates, purse, scatter
        self._plain, self._modelled = logs

    @classmethod
    def begin(cls, how: Settings, streams: int) -> "_Stakes":
        nothing = (np.full((len(PSIS), streams), -inf), np.full((len(ALTERNATIVES), streams), -inf))
        purse = Purse.begin(streams, how.intervals)
        return cls(how, Climates(how.prior, how.prior), purse, how.scatter, nothing)

    def raise_weight(self) -> None:
        self._purse.raise_weight()

    def after(self, counts: Counted) -> Floats:
        how, compared = self._how, (counts.n1 > 0) & (counts.n0 > 0)
        paid = log_or_never(self._purse.pay(compared))
        ratios, self._climates = step(self._climates, counts, each=how.each)
        relative, eta = _relative(counts, how.rho), self._scatter.eta
        self._plain = _grown(self._plain, paid + how.psis, relative, eta, compared)
        self._modelled = _grown(self._modelled, paid + how.alternatives, ratios, eta, compared)
        self._scatter = self._scatter.add(counts.x0, counts.n0)
        return _combined(self._plain, self._modelled, self._purse.cash, how.v, how.times)

    def only(self, going: Flags) -> "_Stakes":
        """The streams that are still followed."""
        how = self._how
        left = replace(
            how,
            psis=how.psis[:, going],
            alternatives=how.alternatives[:, going],
            v=how.v[going],
            rho=how.rho[going],
        )
        logs = (self._plain[:, going], self._modelled[:, going])
        purse, scatter = self._purse.only(going), self._scatter.only(going)
        return _Stakes(left, self._climates.only(going), purse, scatter, logs)


def _relative(counts: Counted, rho: Floats) -> Floats:
    null = np.maximum(rho * counts.n1 + counts.n0, 1e-300)
    together = counts.x1 + counts.x0
    rows = [
        counts.x1 * np.log(psi / rho)
        - together * np.log(np.maximum(psi * counts.n1 + counts.n0, 1e-300) / null)
        for psi in PSIS
    ]
    return np.stack(rows)


def _grown(
    stakes: Floats,
    shares: Floats,
    ratios: Floats,
    eta: Floats,
    compared: Flags,
) -> Floats:
    said = np.minimum(eta * ratios, MOST_AT_ONCE)
    return np.where(compared, np.logaddexp(stakes, shares) + said, stakes)


def _combined(plain: Floats, modelled: Floats, cash: Floats, v: Floats, times: float) -> Floats:
    worth = np.logaddexp.reduce(np.concatenate([log_or_never(cash)[None], plain]), axis=0)
    other = np.logaddexp.reduce(np.concatenate([log_or_never(cash)[None], modelled]), axis=0)
    capped = np.minimum(other, np.log(times) + worth)
    return np.asarray(np.logaddexp(np.log(v) + worth, log_or_never(1 - v) + capped))
