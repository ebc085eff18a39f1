"""When an absolute limit takes a rollout back, for arrays: see ``phasegate.domain.judge.absolute``."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from phasegate.domain.judge.absolute import INTERVALS, worse
from phasegate.domain.judge.binomial import tail
from phasegate.domain.judge.windows import LONGEST, PAUSE
from phasegate.simulation.judging import NEVER, trailing
from phasegate.simulation.rollouts import Flags, Ints


@dataclass(frozen=True, slots=True)
class ArrayLimit:
    """
    One limit of one phase, times in intervals.

    The rate above *limit* in a window counts when so many bad requests are less likely than *budget*
    in a version that fails with rate *good*, and in one that is like its control. *sustained*: only
    over that many intervals.
    """

    limit: float
    good: float
    budget: float
    sustained: int | None = None


def breached(
    canary: tuple[Ints, Ints],
    control: tuple[Ints, Ints],
    limits: Sequence[ArrayLimit],
    *,
    attributed: bool,
    until: Ints,
) -> Ints:
    """
    The interval of one phase (from 1) after which a limit takes each rollout back, or NEVER.

    ``(bad, total)`` of the phase, shape (rollouts, intervals), without its warmup. Intervals after
    *until* are not looked at. *attributed*: what the control breaks too is excused for 15 intervals of that.
    """
    stops = np.full(len(until), NEVER, dtype=np.int64)
    for limit in limits:
        stops = earliest(stops, _of(canary, control, limit, attributed=attributed, until=until))
    return stops


def earliest(one: Ints, other: Ints) -> Ints:
    """The sooner of two stops, where NEVER is later than any."""
    both = np.minimum(one, other)
    return np.where(one == NEVER, other, np.where(other == NEVER, one, both))


def _of(
    canary: tuple[Ints, Ints], control: tuple[Ints, Ints], limit: ArrayLimit, *, attributed: bool, until: Ints
) -> Ints:
    order, there = _served_first(canary[1])
    now = np.take_along_axis(control[0] > limit.limit * control[1], order, axis=1)
    goes_on = now & np.roll(now, 1, axis=1)
    over = (np.arange(order.shape[1]) >= PAUSE - 1) & (trailing(now.astype(np.int64), PAUSE) == 0)
    windows = [
        tuple(_window(counts, order, length, limit) for counts in (*canary, *control))
        for length in ((limit.sustained,) if limit.sustained else INTERVALS)
    ]
    whole = _whole(canary[1], limit.sustained) if limit.sustained else there
    beside = trailing(np.take_along_axis(control[1], order, axis=1), LONGEST) > 0
    excused = np.full(len(until), -1, dtype=np.int64)
    stops = np.full(len(until), NEVER, dtype=np.int64)
    for place in range(order.shape[1]):
        at = order[:, place] + 1
        open_ = (stops == NEVER) & there[:, place] & whole[:, place] & (at <= np.where(until, until, at))
        own, shared = _found(windows, limit, place, open_, excusable=beside[:, place] & attributed)
        excused = np.where(
            shared, np.where((excused < 0) | over[:, place], 0, excused + goes_on[:, place]), -1
        )
        old = shared & (excused >= LONGEST)
        stops = np.where(own | old | (shared & (not attributed)), at, stops)
    return stops


def _found(
    windows: Sequence[tuple[Ints, ...]], limit: ArrayLimit, place: int, open_: Flags, *, excusable: Flags
) -> tuple[Flags, Flags]:
    """Where a window is broken by the canary alone, and where every broken one is the control's as well."""
    own, both = np.zeros_like(open_), np.zeros_like(open_)
    for window in windows:
        x1, n1, x0, n0 = (counts[:, place] for counts in window)
        maybe = open_ & (x1 > limit.limit * n1)
        for row in np.flatnonzero(maybe):
            ours, theirs = (int(x1[row]), int(n1[row])), (int(x0[row]), int(n0[row]))
            if _exceeds(ours, limit):
                shared = _exceeds(theirs, limit)
                if excusable[row] and not shared:
                    shared = not worse(ours, theirs, budget=limit.budget)
                (both if shared else own)[row] = True
    return own, both & ~own


@lru_cache(maxsize=500_000)
def _exceeds(counts: tuple[int, int], limit: ArrayLimit) -> bool:
    bad, total = counts
    if not total or bad / total <= limit.limit:
        return False
    return tail(bad, total, limit.good) <= limit.budget


def _served_first(total: Ints) -> tuple[Ints, Flags]:
    """The intervals in which the canary served somebody, in order, then the others; and which those are."""
    order = np.argsort(total == 0, axis=1, kind="stable")
    return order, np.take_along_axis(total, order, axis=1) > 0


def _window(counts: Ints, order: Ints, length: int, limit: ArrayLimit) -> Ints:
    """Sums of the last *length* intervals with traffic; of a sustained limit, of real time."""
    if limit.sustained:
        return np.take_along_axis(trailing(counts, length), order, axis=1)
    return trailing(np.take_along_axis(counts, order, axis=1), length)


def _whole(total: Ints, length: int) -> Flags:
    """Where the window lies wholly in the phase with data in at least half of it, served intervals first."""
    order, _ = _served_first(total)
    known = trailing((total > 0).astype(np.int64), length)
    enough = (2 * known >= length) & (np.arange(total.shape[1]) + 1 >= length)
    return np.take_along_axis(enough, order, axis=1)
