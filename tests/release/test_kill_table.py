"""Kill the driver, the keeper or the platform's API at any step: nothing is lost or done twice."""

import json
import subprocess
import sys

from tests.release.edge_process import ROOT

CELLS = 9
LIMIT = 400


def test_a_sample_of_the_kill_table_ends_as_it_must():
    """
    Every cell ends with the right version whole, each upload and each split once, and the laws kept.
    """
    command = [sys.executable, "-m", "tests.release.kill_table", "--sample", str(CELLS), "--json"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False)
    cells = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(cells) == CELLS
    assert {cell["cell"]["who"] for cell in cells} == {"driver", "keeper", "edge"}
    assert sum(cell["killed"] for cell in cells) >= CELLS - 2
