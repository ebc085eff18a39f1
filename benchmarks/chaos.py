"""
Kill anything, lose nothing: ``python -m benchmarks.chaos [table|model|bounds|scale|prefect|crowd …]``.

``table`` prints the whole kill table without Prefect, ``prefect`` a sample of the one with it
(``prefect-all``: every cell, in hours), ``model`` plays thousands of random interleavings, ``bounds``
measures how long a breach lasts, ``scale`` how many releases one keeper can watch, ``crowd`` what 200
of them need of keeper, worker and Prefect server. Exit code 1 when anything is not as it must be.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from benchmarks import chaos_bounds, chaos_crowd, chaos_prefect, chaos_scale
from benchmarks.figures import Figure, table
from tests.release.model_machine import ReleaseMachine

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES, STEPS, SEEDS = 500, 50, (1, 2, 3)
# Of each version; all of them would take hours.
POINTS = 5


def kill_table() -> int:
    """Every point of a good and a bad release × driver, keeper, edge."""
    return subprocess.run(
        [sys.executable, "-m", "tests.release.kill_table"], cwd=ROOT, check=False
    ).returncode


def model() -> int:
    """Random interleavings in virtual time, with the laws checked after each step."""
    chosen = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    for number in SEEDS:
        began = time.monotonic()
        run_state_machine_as_test(seed(number)(ReleaseMachine), settings=chosen)
        took = time.monotonic() - began
        print(
            f"model, seed {number}: {EXAMPLES} releases of up to {STEPS} steps hold every law ({took:.0f} s)"
        )
    return 0


def _told(figures: Callable[[], tuple[Figure, ...]]) -> int:
    print(table(figures()), flush=True)
    return 0


PARTS: dict[str, Callable[[], int]] = {
    "table": kill_table,
    "model": model,
    "bounds": lambda: _told(chaos_bounds.figures),
    "scale": lambda: _told(chaos_scale.figures),
    "crowd": lambda: _told(chaos_crowd.figures),
    "prefect": lambda: chaos_prefect.main(POINTS),
    "prefect-all": lambda: chaos_prefect.main(0),
}

# Those that take hours, or a quarter of one, are run by name alone.
USUAL = ("table", "model", "bounds", "scale", "prefect")


def main() -> int:
    """Run what was asked for, or the usual parts."""
    parser = argparse.ArgumentParser(prog="benchmarks.chaos", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"one of {', '.join(PARTS)}; none: {', '.join(USUAL)}")
    given = parser.parse_args().part
    if unknown := [part for part in given if part not in PARTS]:
        parser.error(f"no part is called {unknown[0]!r}; there are {', '.join(PARTS)}")
    return max([PARTS[part]() for part in given or USUAL])


if __name__ == "__main__":
    sys.exit(main())
