"""Kill the driver, the keeper or the platform's API at any step: nothing is lost or done twice."""

import json
import subprocess
import sys
from typing import Any

from tests.postgres import PostgresServer
from tests.release.edge_process import ROOT

CELLS = 6
ON_POSTGRES = 4
LIMIT = 400


def played(*arguments: str) -> list[dict[str, Any]]:
    """The outcomes of the cells; fails with what was said when one is not as it must be."""
    command = [sys.executable, "-m", "tests.release.kill_table", "--json", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_sample_of_the_kill_table_ends_as_it_must():
    """
    Every cell ends with the right version whole, each upload and each split once, and the laws kept.
    """
    cells = played("--sample", str(CELLS))

    assert len(cells) == CELLS
    assert {cell["cell"]["who"] for cell in cells} == {"driver", "keeper", "edge"}
    assert sum(cell["killed"] for cell in cells) >= CELLS - 2


def test_one_of_two_keepers_that_share_a_postgres_ledger_may_die_at_any_step(postgres: PostgresServer):
    """
    As on two hosts: the ledger's lease decides which of them acts, and the other goes on.
    """
    cells = played("--sample", str(ON_POSTGRES), "--ledger", postgres.database())

    assert len(cells) == ON_POSTGRES
    assert any(cell["killed"] for cell in cells)
