"""One house for all end-to-end tests of a session."""

import os
from collections.abc import Iterator

import pytest

from examples.demo.processes import Processes
from examples.demo.stage import environment, set_up
from phasegate.settings import Settings
from tests.e2e.house import WAIT_IN_PLACE, House, plans_setting

RATE = 60.0


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Server, worker, keeper, edge and traffic; every program ends with the session, by its id."""
    home = tmp_path_factory.mktemp("house")
    logs = home / "logs"
    logs.mkdir()
    before = dict(os.environ)
    # A machine that runs tests may be slow; that is not what is tested here.
    ours = {
        "PHASEGATE_WAIT_IN_PLACE": WAIT_IN_PLACE,
        "PHASEGATE_PLANS": plans_setting(),
        "PHASEGATE_API_TIMEOUT": "60",
    }
    processes = Processes(logs, {**environment(home), **ours})
    try:
        bad = ("0.1.13-errors",)
        stage = set_up(processes, home, versions=bad, rate=RATE, say=print, deploy=("--all",))
        yield House(stage=stage, processes=processes, settings=Settings())
    finally:
        processes.end_all()
        _restore(before)


def _restore(before: dict[str, str]) -> None:
    """The stage points this process at its own servers; other tests must not see that."""
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)
