"""The interface that every judge of a backtest has."""

from typing import Protocol

import numpy as np

from phasegate.simulation.rollouts import Flags, Floats, Ints, Rollouts

NEVER = 0


class BacktestJudge(Protocol):
    """Looks at rollouts interval by interval and says when it would have taken each back."""

    name: str

    def stops(self, rollouts: Rollouts) -> Ints:
        """
        The intervals after which each rollout is taken back, shape (rollouts,), counted from 1.

        NEVER (0) where it is not. Only what had been seen at that time may be used.
        """


def first(flags: Flags) -> Ints:
    """For each row of *flags* (rollouts, intervals) the first true interval from 1, or NEVER."""
    return np.where(flags.any(axis=1), flags.argmax(axis=1) + 1, NEVER).astype(np.int64)


def trailing(counts: Ints, window: int) -> Ints:
    """The sum of the last *window* intervals at each interval, shape (rollouts, intervals)."""
    total = np.cumsum(counts, axis=1)
    before = np.zeros_like(total)
    before[:, window:] = total[:, :-window] if window < total.shape[1] else 0
    return total - before


def since_step(counts: Ints, steps: tuple[int, ...]) -> Ints:
    """The sum since the newest phase began, at each interval."""
    total = np.cumsum(counts, axis=1)
    before = np.zeros_like(total)
    for step in steps:
        if step:
            before[:, step:] = total[:, step - 1 : step]
    return total - before


def rates(bad: Ints, total: Ints) -> Floats:
    """Shares; NaN where nothing was served."""
    return np.where(total > 0, bad / np.maximum(total, 1), np.nan)
