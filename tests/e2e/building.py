"""Builds the house that the end-to-end tests share, and describes it to every process of tests."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from examples.demo.processes import Processes
from examples.demo.stage import SERVICE, Stage, environment, set_up
from tests.e2e.house import HOSTS_LEDGER, WAIT_IN_PLACE, plans_setting
from tests.postgres import cluster, for_prefect, programs_of_postgres

RATE = 15.0
BAD = ("0.1.13-errors",)
AUTH = "ada:lovelace"
# As a server is set up where others can reach it; whoever talks to it must bear that.
HARDENED = {
    "PREFECT_SERVER_API_AUTH_STRING": AUTH,
    "PREFECT_API_AUTH_STRING": AUTH,
    "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
    "PHASEGATE_PREFECT_AUTH": AUTH,
}


@dataclass(frozen=True)
class Built:
    """A house that stands: its services, and the environment of every program in it."""

    stage: Stage
    services: tuple[str, ...]
    env: dict[str, str]

    def told(self) -> str:
        """As JSON, for another process."""
        return json.dumps(asdict(self), default=str)


def heard(text: str) -> Built:
    """What ``told`` has said."""
    said: dict[str, Any] = json.loads(text)
    stage = said["stage"]
    paths = {"home": Path(stage["home"]), "bundles": {k: Path(v) for k, v in stage["bundles"].items()}}
    return Built(stage=Stage(**stage | paths), services=tuple(said["services"]), env=said["env"])


@contextmanager
def built(lanes: int) -> Iterator[Built]:
    """
    Server, worker, keeper, edge, and traffic for *lanes* services; every program is ended by its id.

    The server is on PostgreSQL where that is installed, and a ledger's database is there for several hosts.
    """
    with ExitStack() as ending:
        databases = ending.enter_context(_databases())
        home = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="phasegate-house-")))
        logs = home / "logs"
        logs.mkdir()
        # A machine that runs tests may be slow; that is not what is tested here.
        ours = {
            "PHASEGATE_WAIT_IN_PLACE": WAIT_IN_PLACE,
            "PHASEGATE_PLANS": plans_setting(),
            "PHASEGATE_API_TIMEOUT": "60",
        }
        processes = Processes(logs, {**environment(home), **HARDENED, **ours, **databases})
        ending.callback(processes.end_all)
        services = (SERVICE, *(f"{SERVICE}-{number}" for number in range(2, lanes + 1)))
        stage = set_up(
            processes, home, versions=BAD, rate=RATE, say=print, deploy=("--all",), services=services
        )
        yield Built(stage=stage, services=services, env=processes.env)


@contextmanager
def _databases() -> Iterator[dict[str, str]]:
    if (programs := programs_of_postgres()) is None:
        yield {}
        return
    with cluster(programs, durable=False) as server:
        prefect = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": for_prefect(server)}
        yield {**prefect, HOSTS_LEDGER: server.database()}
