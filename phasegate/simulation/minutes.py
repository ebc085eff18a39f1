"""Simulated rollouts as the intervals that the judge of a release is given."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from phasegate.domain.observation import Counts, Minute
from phasegate.simulation.rollouts import DAY, Arm, Ints, Rollouts

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
CANARY, CONTROL = "canary", "control"
HOUR, DAY_LONG = timedelta(hours=1), timedelta(seconds=DAY)


def rolled_out(rollouts: Rollouts, row: int) -> Iterator[Minute]:
    """The intervals of rollout *row* from BEGIN on, in order."""
    length = timedelta(seconds=rollouts.course.seconds)
    for at in range(rollouts.intervals):
        counts = (
            *_counts(rollouts.canary, row, at, CANARY, rollouts.cuts),
            *_counts(rollouts.control, row, at, CONTROL, rollouts.cuts),
        )
        yield Minute(start=BEGIN + at * length, length=length, counts=counts)


def remembered(rollouts: Rollouts, row: int) -> Iterator[Minute]:
    """The control's day before rollout *row*: a long interval, hours, then the fine ones."""
    past, length = rollouts.history, timedelta(seconds=rollouts.course.seconds)
    fine, hours = past.fine[1].shape[1], past.coarse[1].shape[1] - 1
    start = BEGIN - DAY_LONG
    lengths = [DAY_LONG - hours * HOUR - fine * length, *([HOUR] * hours), *([length] * fine)]
    errors = np.concatenate([past.coarse[0][row], past.fine[0][row]]).tolist()
    totals = np.concatenate([past.coarse[1][row], past.fine[1][row]]).tolist()
    for at, (span, bad, total) in enumerate(zip(lengths, errors, totals, strict=True)):
        slow = _pairs(rollouts.cuts, past.slow[row]) if past.slow is not None and at == 0 else ()
        counts = Counts(version=CONTROL, endpoint="/", total=total, errors=bad, slow=slow)
        yield Minute(start=start, length=span, counts=(counts,))
        start += span


def _counts(arm: Arm, row: int, at: int, version: str, cuts: tuple[int, ...]) -> Iterator[Counts]:
    slow = () if arm.slow is None else _pairs(cuts, arm.slow[row, at])
    if arm.by_endpoint is None:
        total, errors = int(arm.total[row, at]), int(arm.errors[row, at])
        yield Counts(version=version, endpoint="/", total=total, errors=errors, slow=slow)
        return
    for number, (total, errors) in enumerate(
        zip(arm.by_endpoint[0][row, at], arm.by_endpoint[1][row, at], strict=True)
    ):
        yield Counts(version=version, endpoint=f"/{number}", total=int(total), errors=int(errors))


def _pairs(cuts: tuple[int, ...], slow: Ints) -> tuple[tuple[int, int], ...]:
    return tuple(zip(cuts, np.asarray(slow).tolist(), strict=True))
