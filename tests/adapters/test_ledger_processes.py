"""The ledger under real processes that write at the same time, or die while they write."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from phasegate.domain.events import Noted
from phasegate.domain.ledger import first_break
from tests.ledger_cases import T0

ROOT = Path(__file__).parent.parent.parent
WRITERS = 8
ROWS = 41


@contextmanager
def writers(url: str, count: int, *, rows: int) -> Iterator[subprocess.Popen[str]]:
    """Start writing processes; all of them are gone afterwards."""
    command = [sys.executable, "-m", "tests.ledger_writers", url, str(count), str(rows)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=10)


async def test_of_eight_processes_exactly_one_wins_each_number(ledger_url, ledger_of):
    """
    Two drivers that decide on the same state must not both act; they may even create the ledger together.
    """
    with writers(ledger_url, WRITERS, rows=ROWS) as process:
        out, errors = process.communicate(timeout=90)

    assert process.returncode == 0, errors
    won = [json.loads(line)["won"] for line in out.splitlines()]
    assert len(won) == WRITERS
    assert sorted(seq for one in won for seq in one) == list(range(2, ROWS + 1))
    assert sum(bool(one) for one in won) > 1
    async with ledger_of(ledger_url) as ledger:
        rows = await ledger.events("r1")
    assert [row.seq for row in rows] == list(range(1, ROWS + 1))
    assert first_break(rows) == ""


async def test_what_was_acknowledged_survives_the_death_of_its_writer(ledger_url, ledger_of):
    """
    A run that was killed is resumed from what it wrote, to the last row.
    """
    with writers(ledger_url, 1, rows=100_000) as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(25)]
        process.kill()
        acknowledged += [int(line) for line in process.stdout.read().splitlines()]

    async with ledger_of(ledger_url) as ledger:
        rows = await ledger.events("r1")
        assert {row.seq for row in rows} >= set(acknowledged)
        assert first_break(rows) == ""
        await ledger.append("r1", Noted(text="resumed"), by="ada", at=T0, expected=rows[-1].seq)
