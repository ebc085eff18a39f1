"""
Every benchmark in one table: ``python -m benchmarks.run [PART …]``.

The machine is shared and noisy, so ratios are taken within one run. Takes under four minutes.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable

from benchmarks import ledger, orchestration, splitter, startup, tick
from benchmarks.figures import Figure, table

PARTS: dict[str, Callable[[], tuple[Figure, ...]]] = {
    "startup": startup.figures,
    "splitter": splitter.figures,
    "ledger": ledger.figures,
    "tick": tick.figures,
    "orchestration": orchestration.figures,
}


def main() -> int:
    """Run what was asked for, or everything; a part that fails is said and the others are printed."""
    parser = argparse.ArgumentParser(prog="benchmarks.run", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"one of {', '.join(PARTS)}; none: all of them")
    given = parser.parse_args().part
    if unknown := [part for part in given if part not in PARTS]:
        parser.error(f"no benchmark is called {unknown[0]!r}; there are {', '.join(PARTS)}")
    figures: list[Figure] = []
    failed = []
    began, load = time.monotonic(), os.getloadavg()[0]
    for part in given or PARTS:
        print(f"{part} …", file=sys.stderr, flush=True)
        try:
            figures += PARTS[part]()
        except Exception as trouble:
            failed.append(f"{part} failed: {type(trouble).__name__}: {trouble}")
    print(table(figures))
    print(f"\n{os.cpu_count()} cores, load {load:.1f} at the start; took {time.monotonic() - began:.0f} s")
    for line in failed:
        print(line, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
