"""What the environment may ask of a process at its fault points."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from phasegate import faultpoint

REACHES = "from phasegate.faultpoint import reach\nfor _ in range(3): reach('before', 'event', 'driven')\n"


def test_nothing_is_armed_unless_it_is_asked_for():
    """
    A process in production must not stand still or die for a test.
    """
    assert faultpoint.asked({}) is None
    assert faultpoint.asked({faultpoint.KILL_AT: " ", faultpoint.STOP_AT: ""}) is None


def test_a_process_stops_at_its_point_until_it_is_told_to_go_on():
    """
    Something else is killed meanwhile; the process itself must come to no harm.
    """
    env = {**os.environ, faultpoint.STOP_AT: "before event driven#2"}
    process = subprocess.Popen([sys.executable, "-c", REACHES], env=env)

    _, status = os.waitpid(process.pid, os.WUNTRACED)
    process.send_signal(signal.SIGCONT)

    assert os.WIFSTOPPED(status)
    assert process.wait(30) == 0


def test_a_process_kills_itself_at_its_point():
    """
    As a lost host does: nothing of it is cleaned up.
    """
    env = {**os.environ, faultpoint.KILL_AT: "before event driven#3"}

    done = subprocess.run([sys.executable, "-c", REACHES], env=env, check=False, timeout=30)

    assert done.returncode == -signal.SIGKILL


def test_every_point_that_is_reached_is_written_down(tmp_path: Path):
    """
    The table of kills takes its rows from there.
    """
    file = tmp_path / "points"
    env = {**os.environ, faultpoint.POINTS_TO: str(file)}

    subprocess.run([sys.executable, "-c", REACHES], env=env, check=True, timeout=30)

    assert file.read_text() == 3 * "before event driven\n"
