"""Runs judges over many scenarios, on every core, in blocks that fit into memory."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from phasegate.simulation.draw import draw
from phasegate.simulation.judging import BacktestJudge
from phasegate.simulation.outcome import Observed, Outcome, observed, outcome
from phasegate.simulation.scenario import Scenario

BLOCK = 500


@dataclass(frozen=True, slots=True)
class Cell:
    """One scenario, how often it is drawn, and by which judges it is judged."""

    scenario: Scenario
    rollouts: int
    judges: tuple[BacktestJudge, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """What one judge did in one scenario."""

    scenario: Scenario
    outcome: Outcome


Blocks = dict[tuple[int, int], tuple[Observed, ...]]


def backtest(
    cells: Sequence[Cell],
    *,
    seed: int = 1,
    workers: int | None = None,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[Row, ...]:
    """
    Draw and judge every cell; rows in the order of *cells* and their judges.

    The draws depend on *seed* alone, not on *workers* (0: in this process). *told* hears
    how many blocks of how many are done.
    """
    jobs = [
        (at, block, size) for at, cell in enumerate(cells) for block, size in enumerate(_sizes(cell.rollouts))
    ]
    found: Blocks = {}
    for at, block, parts in _done(cells, jobs, seed, os.cpu_count() or 1 if workers is None else workers):
        found[at, block] = parts
        told(len(found), len(jobs))
    return tuple(row for at, cell in enumerate(cells) for row in _rows(at, cell, found))


def judge_block(cell: Cell, size: int, *, seed: int) -> tuple[Observed, ...]:
    """Draw *size* rollouts of *cell* and let every judge look at them."""
    rollouts = draw(cell.scenario, size, seed=seed)
    return tuple(observed(judge.name, judge.stops(rollouts), rollouts) for judge in cell.judges)


def _sizes(rollouts: int) -> Iterator[int]:
    for begin in range(0, rollouts, BLOCK):
        yield min(BLOCK, rollouts - begin)


def _done(
    cells: Sequence[Cell], jobs: Sequence[tuple[int, int, int]], seed: int, workers: int
) -> Iterator[tuple[int, int, tuple[Observed, ...]]]:
    if workers <= 1:
        for at, block, size in jobs:
            yield at, block, judge_block(cells[at], size, seed=_seed(seed, block))
        return
    with ProcessPoolExecutor(workers) as pool:
        futures = {
            pool.submit(judge_block, cells[at], size, seed=_seed(seed, block)): (at, block)
            for at, block, size in jobs
        }
        for future in as_completed(futures):
            yield *futures[future], future.result()


def _seed(seed: int, block: int) -> int:
    return seed * 1_000 + block


def _rows(at: int, cell: Cell, found: Blocks) -> Iterator[Row]:
    blocks = [parts for (own, _), parts in sorted(found.items(), key=lambda item: item[0]) if own == at]
    for number in range(len(cell.judges)):
        yield Row(cell.scenario, outcome([parts[number] for parts in blocks]))
