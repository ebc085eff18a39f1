"""
The judge beside the baselines, on every traffic, regression and disturbance: ``make bench-judge``.

``python -m benchmarks.judge [--scale SHARE] [--json FILE]``. Seeds are fixed: the figures are the same
on every machine, only the costs are not. Some 140,000 rollouts; --scale 0.1 draws a tenth of them.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable
from math import inf
from pathlib import Path
from typing import Any

from benchmarks import judge_cells as cells
from benchmarks.judge_cost import cost
from benchmarks.judge_targets import DESIGN, minutes, targets
from phasegate.simulation.backtest import Row, backtest
from phasegate.simulation.scenario import Disturbance

Found = dict[str, tuple[Row, ...]]


def main() -> int:
    """Measure, print the tables and whether each target holds; 1 when one does not."""
    parser = argparse.ArgumentParser(prog="benchmarks.judge", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="this share of the rollouts, e.g. 0.1")
    parser.add_argument("--seed", type=int, default=1, help="other draws")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    given = parser.parse_args()
    began = time.monotonic()
    found = measure(given.scale, seed=given.seed)
    held = targets(found, cost())
    print("\n".join(_tables(found)))
    for target in held:
        print(f"{target.word}  {target.what}: {target.measured}")
    print(f"took {time.monotonic() - began:.0f} s")
    if given.json:
        given.json.write_text(
            json.dumps([_plain(group, row) for group, rows in found.items() for row in rows])
        )
    return 0 if all(target.held or not target.asked for target in held) else 1


def measure(scale: float, *, seed: int = 1) -> Found:
    """Every group of cells, judged."""
    found: Found = {}
    for name, group in cells.groups(scale).items():
        began = time.monotonic()
        found[name] = backtest(
            group,
            seed=seed,
            told=lambda done, of, name=name: _progress(name, done, of),  # type: ignore[misc]
        )
        print(f"\r{name}: {time.monotonic() - began:.0f} s" + " " * 20, file=sys.stderr)
    return found


def _progress(name: str, done: int, of: int) -> None:
    print(f"\r{name}: {done} of {of} blocks", end="", file=sys.stderr, flush=True)


def _tables(found: Found) -> Iterable[str]:
    yield "Median minutes to roll back (base .05 %, canary 10 %; - = not within six hours)\n"
    yield from _medians((*found["detection"], *found["ranks"]), cells.STEPS)
    yield "\nFailed canary requests until then, mean\n"
    yield from _grid(
        (*found["detection"], *found["ranks"]), cells.STEPS, lambda row: f"{row.outcome.failed:,.0f}"
    )
    yield "\nOther regressions: median / P95 minutes from the onset\n"
    yield from _grid(found["others"], cells.OTHERS, _delays)
    yield "\nLatency: median / P95 minutes, or rollbacks of a canary that is 5 % slower\n"
    yield from _grid(
        found["latency"],
        cells.SLOWER,
        lambda row: _delays(row) if row.outcome.stopped.value > 0.5 else _share(row),
    )
    yield "\nFalse rollbacks per six-hour rollout, with exact 95 % intervals\n"
    for rate in cells.RATES:
        yield f"base {rate * 100:g} %"
        yield from _shares(
            row
            for row in (*found["false"], *found["ranks"])
            if row.scenario.errors == rate
            and row.scenario.regression.name == "A/A"
            and row.scenario.disturbance is Disturbance.NONE
        )
    for one in cells.DISTURBANCES:
        yield f"{one.told}"
        yield from _shares(row for row in found["disturbed"] if row.scenario.disturbance is one)


def _medians(rows: tuple[Row, ...], names: tuple[str, ...]) -> Iterable[str]:
    yield _line(
        "the design",
        (("/".join(minutes(DESIGN[rate][name]) for name in names)) for rate in cells.TRAFFIC),
        head=names,
    )
    yield from _grid(rows, names, lambda row: minutes(row.outcome.median), head=False)


def _grid(rows: tuple[Row, ...], names: tuple[str, ...], told: Any, *, head: bool = True) -> Iterable[str]:
    if head:
        yield _head(names)
    judges = list(dict.fromkeys(row.outcome.judge for row in rows))
    by = {(row.outcome.judge, row.scenario.traffic, row.scenario.regression.name): row for row in rows}
    for judge in judges:
        yield _line(
            judge, ("/".join(told(by[judge, rate, name]) for name in names) for rate in cells.TRAFFIC)
        )


def _shares(rows: Iterable[Row]) -> Iterable[str]:
    kept = list(rows)
    for judge in dict.fromkeys(row.outcome.judge for row in kept):
        yield _line(judge, (_share(row) for row in kept if row.outcome.judge == judge))


def _share(row: Row) -> str:
    low, high = row.outcome.stopped.interval
    return f"{row.outcome.stopped.value:.1%} ({low:.1%}-{high:.1%})"


def _delays(row: Row) -> str:
    return f"{minutes(row.outcome.median)} ({minutes(row.outcome.p95)})"


def _head(names: tuple[str, ...]) -> str:
    return _line("/".join(names), (f"{rate:g}/s" for rate in cells.TRAFFIC))


def _line(first: str, values: Iterable[str], head: tuple[str, ...] = ()) -> str:
    top = f"{_head(head)}\n" if head else ""
    return top + f"  {first:<30}" + "".join(f"{value:>24}" for value in values)


def _plain(group: str, row: Row) -> dict[str, Any]:
    scenario, outcome = row.scenario, row.outcome
    return {
        "group": group,
        "traffic": scenario.traffic,
        "errors": scenario.errors,
        "regression": scenario.regression.name,
        "disturbance": scenario.disturbance.value,
        "judge": outcome.judge,
        "stopped": [outcome.stopped.bad, outcome.stopped.total, *outcome.stopped.interval],
        "early": [outcome.early.bad, outcome.early.total],
        "median": None if outcome.median == inf else outcome.median,
        "median_error": None if outcome.median_error == inf else outcome.median_error,
        "p95": None if outcome.p95 == inf else outcome.p95,
        "failed": outcome.failed,
    }


if __name__ == "__main__":
    sys.exit(main())
