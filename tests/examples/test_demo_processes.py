"""What the demo starts it also ends, whatever the programs have started themselves."""

import os
from pathlib import Path

from examples.demo.processes import Processes

# As Prefect's worker starts a flow run: in a session of its own, and it goes on when the worker ends.
STARTS_ANOTHER = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_program_in_a_session_of_its_own_is_ended_too(tmp_path: Path):
    """
    An interrupted demo once left a flow run behind that went on asking for its server.
    """
    processes = Processes(tmp_path, dict(os.environ))
    processes.start("worker", "-c", STARTS_ANOTHER)
    log = tmp_path / "worker.log"
    processes.wait_until("worker", lambda: log.read_text().strip().isdigit(), limit=30)
    child = int(log.read_text())

    processes.end_all()

    assert not running(child)


def running(process: int) -> bool:
    """Whether the process still runs; one that waits to be buried does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False
