"""
How many durable events a second the ledger takes: ``python -m benchmarks.ledger [SECONDS]``.

One writer, then eight processes on one release that compete for each number, then
eight processes with a release each; on SQLite and, where it is installed, on Postgres
with its disk writes on. One JSON line for each.
"""

import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import Figure
from phasegate.adapters.ledger_sql import SqlLedger
from phasegate.domain.errors import Superseded
from phasegate.domain.events import Noted
from phasegate.domain.ledger import first_break
from tests.ledger_cases import opened
from tests.postgres import cluster, programs_of_postgres

WRITERS = 8


async def write(url: str, release: str, *, seconds: float) -> tuple[int, int]:
    """Append for so long; how many rows were acknowledged and how many attempts somebody else beat."""
    ledger = SqlLedger(url)
    await ledger.ready()
    await ledger.open(release, opened(service=release), by="bench", at=datetime.now(UTC))
    rows = lost = 0
    last = (await ledger.events(release))[-1].seq
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            row = await ledger.append(
                release, Noted(text="a line of text"), by="bench", at=datetime.now(UTC), expected=last
            )
            last, rows = row.seq, rows + 1
        except Superseded:
            lost += 1
            last = (await ledger.events(release, after=last))[-1].seq
    await ledger.close()
    return rows, lost


def one_writer(url: str, release: str, seconds: float) -> tuple[int, int]:
    """``write`` in a process of its own."""
    return asyncio.run(write(url, release, seconds=seconds))


def measure(url: str, releases: list[str], *, seconds: float) -> dict[str, float]:
    """One process for each entry of *releases*; rows a second over all of them."""
    forked = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(len(releases), mp_context=forked) as pool:
        jobs = [pool.submit(one_writer, url, release, seconds) for release in releases]
        results = [job.result() for job in jobs]
    asyncio.run(_verify(url))
    rows = sum(done for done, _ in results)
    return {"rows_per_second": round(rows / seconds), "superseded": sum(lost for _, lost in results)}


async def _verify(url: str) -> None:
    ledger = SqlLedger(url)
    for row in await ledger.releases():
        assert first_break(await ledger.events(row.release)) == ""
    await ledger.close()


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """A database of each kind on this machine's disk."""
    programs = programs_of_postgres()
    with tempfile.TemporaryDirectory(prefix="phasegate-bench-") as folder:
        found = {"sqlite": str(Path(folder) / "ledger.db")}
        if programs is None:
            yield found
            return
        with cluster(programs, durable=True) as server:
            yield {**found, "postgres": server.database()}


def cases() -> dict[str, list[str]]:
    """What is measured: which releases are written to at the same time."""
    return {
        "1 writer": ["single"],
        f"{WRITERS} writers, one release": ["shared"] * WRITERS,
        f"{WRITERS} writers, a release each": [f"own-{number}" for number in range(WRITERS)],
    }


def figures(seconds: float = 2.0) -> tuple[Figure, ...]:
    """Durable events a second on every database that is here."""
    with databases() as found:
        return tuple(
            Figure(
                "ledger",
                f"{name}, {case}",
                measure(url, releases, seconds=seconds)["rows_per_second"],
                "events/s",
            )
            for name, url in found.items()
            for case, releases in cases().items()
        )


def main(seconds: float) -> None:
    """Measure everything and print it."""
    with databases() as found:
        for name, url in found.items():
            for case, releases in cases().items():
                print(json.dumps({"database": name, "case": case, **measure(url, releases, seconds=seconds)}))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
