"""One house, and so one Prefect server, for all tests of a session that need one."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from examples.demo.processes import Processes
from examples.demo.stage import environment, prefect_client, set_up
from phasegate.adapters.prefect_runs import PrefectRuns
from phasegate.settings import Settings
from tests.e2e.house import WAIT_IN_PLACE, House, plans_setting
from tests.e2e.paper_runs import RELEASE, ROLLBACK, Prefect, the_runs
from tests.postgres import cluster, for_prefect, programs_of_postgres

RATE = 60.0
AUTH = "ada:lovelace"
# As a server is set up where others can reach it; whoever talks to it must bear that.
HARDENED = {
    "PREFECT_SERVER_API_AUTH_STRING": AUTH,
    "PREFECT_API_AUTH_STRING": AUTH,
    "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
    "PHASEGATE_PREFECT_AUTH": AUTH,
}


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """
    Server, worker, keeper, edge and traffic; every program ends with the session, by its id.

    Prefect and the ledger are on PostgreSQL where it is installed, as on several hosts, else on SQLite.
    """
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
    databases = ExitStack()
    processes = Processes(logs, {**environment(home), **HARDENED, **ours})
    try:
        processes.env |= databases.enter_context(_databases())
        bad = ("0.1.13-errors",)
        stage = set_up(processes, home, versions=bad, rate=RATE, say=print, deploy=("--all",))
        with prefect_client(processes.env) as client:
            yield House(stage=stage, processes=processes, settings=Settings(), client=client)
    finally:
        processes.end_all()
        databases.close()
        _restore(before)


@contextmanager
def _databases() -> Iterator[dict[str, str]]:
    if (programs := programs_of_postgres()) is None:
        yield {}
        return
    with cluster(programs, durable=False) as server:
        prefect = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": for_prefect(server)}
        yield {**prefect, "PHASEGATE_LEDGER": server.database()}


@pytest.fixture(scope="session")
def prefect(house: House) -> Prefect:
    """The house's server, with deployments that nobody executes."""
    prefect = Prefect(house.stage.api, house.client)
    prefect.deploy(RELEASE)
    prefect.deploy(ROLLBACK)
    return prefect


@pytest.fixture
async def runs(prefect: Prefect) -> AsyncIterator[PrefectRuns]:
    """Our adapter, with the right credentials."""
    runs = the_runs(prefect.api_url)
    yield runs
    await runs.aclose()


def _restore(before: dict[str, str]) -> None:
    """The stage points this process at its own servers; other tests must not see that."""
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)
