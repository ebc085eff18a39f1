"""The disk is full: the write is refused in words, nothing is torn, and writing goes on with room."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, resource, signal, sys
from pathlib import Path
from phasegate.adapters.ledger_sql import SqlLedger
from phasegate.domain.errors import LedgerBusy
from phasegate.domain.events import Noted
from phasegate.domain.ledger import first_break
from tests.ledger_cases import T0, opened

# As on a full disk: a file that may not grow. Python ignores the signal, the write fails.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

async def main(file):
    ledger = SqlLedger(file, limit=2.0)
    await ledger.ready()
    await ledger.open("r1", opened(), by="test", at=T0)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    room = max(Path(file).stat().st_size, Path(file + "-wal").stat().st_size) + 20000
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    written, refusal = 1, ""
    try:
        while written < 500:
            await ledger.append("r1", Noted(text="x" * 500), by="test", at=T0, expected=written)
            written += 1
    except LedgerBusy as busy:
        refusal = str(busy)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    rows = await ledger.events("r1")
    await ledger.append("r1", Noted(text="room again"), by="test", at=T0, expected=len(rows))
    print(refusal)
    print(len(rows) - written, first_break(await ledger.events("r1")) or "whole")
    await ledger.close()

asyncio.run(main(sys.argv[1]))
"""
ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_full_disk_refuses_the_write_and_tears_nothing(tmp_path: Path):
    """
    What was acknowledged is there, what was refused is not, and the chain goes on.
    """
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "ledger.db")]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    refusal, state = done.stdout.splitlines()
    assert "could not be used" in refusal
    assert "check disk and file" in refusal
    assert state == "0 whole"
