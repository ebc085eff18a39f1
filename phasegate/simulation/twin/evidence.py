"""One stream's evidence over time, for arrays: see ``phasegate.domain.judge.comparison``."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from phasegate.domain.judge.climate import Pace
from phasegate.domain.judge.hierarchy import ALTERNATIVES
from phasegate.domain.judge.relative import PSIS
from phasegate.domain.judge.setting import TIMES, Setting
from phasegate.domain.judge.starts import AT_DEPLOY, AT_STEP, SPREAD
from phasegate.simulation.rollouts import Flags, Floats
from phasegate.simulation.twin.hierarchy import Climate, Climates, Counted, step
from phasegate.simulation.twin.likelihood import log_or_never


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of many streams; a component that a stream dropped has weight 0 there."""

    psis: Floats
    alternatives: Floats
    v: Floats
    rho: Floats
    eta: Floats
    prior: Climate
    each: Pace
    intervals: int


def gathered(settings: Sequence[Setting]) -> Settings:
    """Put the settings of streams of one course side by side."""
    first = settings[0]
    bursts = tuple(np.array([one.prior.bursts[kind] for one in settings]) for kind in (0, 1))
    return Settings(
        psis=_weights([[psi in one.psis for one in settings] for psi in PSIS]),
        alternatives=_weights([[other in one.alternatives for one in settings] for other in ALTERNATIVES]),
        v=np.array([one.v for one in settings]),
        rho=np.array([one.rho for one in settings]),
        eta=np.array([one.eta for one in settings]),
        prior=Climate(
            np.array([one.prior.a for one in settings]),
            np.array([one.prior.b for one in settings]),
            (bursts[0], bursts[1]),
        ),
        each=first.each,
        intervals=first.intervals,
    )


def log_evidence(
    canary: tuple[Floats, Floats], control: tuple[Floats, Floats], steps: Sequence[int], *, how: Settings
) -> Floats:
    """
    ln E after each interval, shape (streams, intervals), from ``(bad, total)`` of this shape.

    *steps* are the intervals in which the canary's weight is raised.
    """
    streams, intervals = canary[0].shape
    found = np.zeros((streams, intervals))
    climates = Climates(how.prior, how.prior)
    purse = _Purse(streams, how.intervals)
    plain = np.full((len(PSIS), streams), -inf)
    modelled = np.full((len(ALTERNATIVES), streams), -inf)
    for at in range(intervals):
        if at in steps:
            purse.raised()
        counts = Counted(canary[0][:, at], canary[1][:, at], control[0][:, at], control[1][:, at])
        compared = (counts.n1 > 0) & (counts.n0 > 0)
        paid = log_or_never(purse.pay(compared))
        ratios, climates = step(climates, counts, each=how.each)
        plain = _grown(plain, paid + how.psis, _relative(counts, how.rho), how.eta, compared)
        modelled = _grown(modelled, paid + how.alternatives, ratios, how.eta, compared)
        found[:, at] = _combined(plain, modelled, purse.cash, how.v)
    return found


def _weights(kept: list[list[bool]]) -> Floats:
    """ln of equal weights of what is kept, shape (components, streams)."""
    mask = np.array(kept, dtype=float)
    return log_or_never(mask / mask.sum(axis=0))


class _Purse:
    """See ``phasegate.domain.judge.starts``; one for each stream."""

    def __init__(self, streams: int, intervals: int) -> None:
        self._each = SPREAD / max(intervals, 1)
        self._due, self._left = np.full(streams, AT_DEPLOY), np.full(streams, SPREAD)
        self._stepped = False
        self.cash = np.ones(streams)

    def raised(self) -> None:
        if not self._stepped:
            self._due, self._stepped = self._due + AT_STEP, True

    def pay(self, compared: Flags) -> Floats:
        bit = np.where(compared, np.minimum(self._each, self._left), 0.0)
        paid = bit + np.where(compared, self._due, 0.0)
        self._due = np.where(compared, 0.0, self._due)
        self._left = self._left - bit
        self.cash = np.maximum(self.cash - paid, 0.0)
        return paid


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
    return np.where(compared, np.logaddexp(stakes, shares) + eta * ratios, stakes)


def _combined(plain: Floats, modelled: Floats, cash: Floats, v: Floats) -> Floats:
    worth = np.logaddexp.reduce(np.concatenate([log_or_never(cash)[None], plain]), axis=0)
    other = np.logaddexp.reduce(np.concatenate([log_or_never(cash)[None], modelled]), axis=0)
    capped = np.minimum(other, np.log(TIMES) + worth)
    return np.asarray(np.logaddexp(np.log(v) + worth, log_or_never(1 - v) + capped))
