"""
The kill table: every point of a good and of a bad release × driver, keeper, edge.

``python -m tests.release.kill_table [--sample N] [--json]`` first runs both releases with recording on,
which names every point there is, then kills at each and says what became of it.
"""

import argparse
import json
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path

from tests.release.edge_process import EdgeProcess
from tests.release.kill_cell import Cell, Outcomes, Place, plan, play
from tests.release.standins import FastClock

FACTOR = 8.0
AT_ONCE = 6
SEED = 20260217
READINGS = 2


def points(edge: EdgeProcess, home: Path, version: str, *, ledger: str = "") -> list[tuple[str, str, int]]:
    """Role, name and how often for every point that a release of *version* reaches, in order."""
    file = home / f"points-{version}.jsonl"
    file.touch()
    done = play(_place(Cell("nobody", version), edge, home, f"record-{version}", record=file, ledger=ledger))
    if done.faults:
        raise RuntimeError(f"a release that nobody kills is not right: {done.faults}")
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for line in file.read_text().splitlines():
        role, name = json.loads(line)
        seen[role, name] += 1
        if " GET " not in name or seen[role, name] <= READINGS:
            found.append((role, name, seen[role, name]))
    return found


def cells(found: dict[str, list[tuple[str, str, int]]]) -> Iterator[Cell]:
    """The whole table. The edge is killed where somebody calls it."""
    for version, reached in found.items():
        for role, name, nth in reached:
            yield Cell(role, version, name, nth)
            if " event " not in name:
                yield Cell("edge", version, name, nth, by=role)


def run(chosen: Sequence[Cell], edge: EdgeProcess, home: Path, *, ledger: str = "") -> Iterator[Outcomes]:
    """Play the cells, some at once, each in a process of its own; in order."""
    waiting, running = list(enumerate(chosen)), {}
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            number, cell = waiting.pop(0)
            file = home / f"outcome-{number}.json"
            running[_begin(cell, edge, home, number, file, ledger=ledger)] = (cell, file)
        pid, _ = os.wait()
        if pid in running:
            cell, file = running.pop(pid)
            yield _outcome(cell, file)


def _begin(cell: Cell, edge: EdgeProcess, home: Path, number: int, file: Path, *, ledger: str) -> int:
    if pid := os.fork():
        return pid
    code = 1
    try:
        own = EdgeProcess(home / f"edge-{number}") if cell.who == "edge" else None
        with own or nullcontext():
            done = play(_place(cell, own or edge, home, f"s{number}", ledger=ledger))
        file.write_text(json.dumps(asdict(done)))
        code = 0
    except BaseException as trouble:
        file.write_text(json.dumps({"failed": f"{type(trouble).__name__}: {trouble}"}))
    os._exit(code)


def _outcome(cell: Cell, file: Path) -> Outcomes:
    told = json.loads(file.read_text()) if file.exists() else {"failed": "the cell's process died"}
    if "failed" in told:
        return Outcomes(cell, False, "", (told["failed"],), 0.0)
    return Outcomes(cell, told["killed"], told["outcome"], tuple(told["faults"]), told["seconds"])


def _place(
    cell: Cell, edge: EdgeProcess, home: Path, service: str, *, record: Path | None = None, ledger: str = ""
) -> Place:
    own = home / service
    own.mkdir()
    return Place(cell, edge, service, own, FastClock.begin(FACTOR), record, ledger)


def main() -> int:
    """Print the table, or one line of JSON for each cell; 1 when one is not as it must be."""
    parser = argparse.ArgumentParser(prog="kill_table", description=__doc__)
    parser.add_argument("--sample", type=int, default=0, help="only so many cells, always the same")
    parser.add_argument("--ledger", default="", help="a shared ledger's URL; two keepers watch then")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    plan()
    with tempfile.TemporaryDirectory(prefix="phasegate-kill-") as folder:
        home = Path(folder)
        with EdgeProcess(home / "edge") as edge:
            found = {version: points(edge, home, version, ledger=given.ledger) for version in ("good", "bad")}
            table = list(cells(found))
            chosen = _chosen(table, given.sample, who="keeper" if given.ledger else "")
            faulty = sum(
                _show(done, as_json=given.json) for done in run(chosen, edge, home, ledger=given.ledger)
            )
    print(f"{len(chosen)} of {len(table)} cells played, {faulty} not as they must be", file=sys.stderr)
    return 1 if faulty else 0


def _chosen(table: list[Cell], number: int, *, who: str) -> list[Cell]:
    """A sample that is the same every time, of each kind as many; of keepers with a shared ledger."""
    kinds = [who] if who else ["driver", "keeper", "edge"]
    # Of two keepers either may write an event; each makes its own calls.
    groups = [
        [cell for cell in table if cell.who == kind and not (who and " event " in cell.point)]
        for kind in kinds
    ]
    for group in groups:
        random.Random(SEED).shuffle(group)
    mixed = [cell for several in zip_longest(*groups) for cell in several if cell is not None]
    return mixed[:number] if number else table


def _show(done: Outcomes, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(asdict(done)), flush=True)
    else:
        cell = done.cell
        where = f"{cell.point}#{cell.nth}" + (f" of the {cell.by}" if cell.who == "edge" else "")
        end = "; ".join(done.faults) or f"{done.outcome}{'' if done.killed else ' (point not reached)'}"
        print(f"{cell.who:<7} {cell.version:<5} {where:<52} {end}", flush=True)
    return bool(done.faults)


if __name__ == "__main__":
    sys.exit(main())
