"""One house, and so one Prefect server, for all tests; several processes of tests share it."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from examples.demo.processes import StartError
from examples.demo.stage import prefect_client
from phasegate.adapters.prefect_runs import PrefectRuns
from phasegate.settings import Settings
from tests.e2e.building import Built, built, heard
from tests.e2e.house import House
from tests.e2e.paper_runs import RELEASE, ROLLBACK, Prefect, the_runs

TOLD = pytest.StashKey[str]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """The process that only hands the tests out builds the house; it has a service for each of the others."""
    config = session.config
    lanes = config.getoption("numprocesses", default=None)
    if not lanes or hasattr(config, "workerinput"):
        return
    before, ending = dict(os.environ), ExitStack()
    config.add_cleanup(ending.close)
    try:
        house = ending.enter_context(built(int(lanes)))
    except StartError as error:
        pytest.exit(f"the house does not stand: {error}", returncode=1)
    finally:
        _restore(before)
    config.stash[TOLD] = house.told()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of tests where the house is."""
    node.workerinput["house"] = node.config.stash[TOLD]


@pytest.fixture(scope="session")
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    """The house that was built for this session, else one of this process's own."""
    given = getattr(request.config, "workerinput", {})
    before = dict(os.environ)
    with ExitStack() as ending:
        ending.callback(_restore, before)
        if "house" in given:
            yield ending.enter_context(_entered(heard(given["house"]), lane=int(given["workerid"][2:])))
        else:
            yield ending.enter_context(_entered(ending.enter_context(built(1)), lane=0))


@contextmanager
def _entered(house: Built, *, lane: int) -> Iterator[House]:
    """The settings of this process are those of every program in the house."""
    ours = {name: value for name, value in house.env.items() if name.startswith(("PHASEGATE_", "PREFECT_"))}
    os.environ.update(ours)
    with prefect_client(house.env) as client:
        yield House(
            stage=house.stage,
            service=house.services[lane],
            env=house.env,
            settings=Settings(),
            client=client,
        )


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
