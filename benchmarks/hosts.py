"""Prefect's server, workers and keepers on loopback, each a process that can be killed and started again."""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx

from examples.demo.processes import Processes, free_port
from examples.demo.stage import GUARDED, POOL, ROOT, environment
from phasegate.settings import Settings
from tests.postgres import cluster, for_prefect, programs_of_postgres
from tests.release.edge_process import EdgeProcess

PLANS = [str(ROOT / "benchmarks" / "plans"), str(ROOT / "deployments" / "plans")]
READY = 180.0
SERVER, PROXY = "prefect-server", "proxy"


@dataclass
class Hosts:
    """
    What of a release can die, by name; ``names`` of workers begin with "worker", of keepers with "keeper".

    The server and the edge keep their ports when they are started again. With *behind*, a port, the
    server listens there and a counting proxy takes its place.
    """

    home: Path
    edge: EdgeProcess
    processes: Processes
    ledger: str
    port: int = field(default_factory=free_port)
    behind: int = 0
    living: dict[str, Popen[bytes]] = field(default_factory=dict)
    starts: int = 0

    @property
    def api(self) -> str:
        """Where Prefect answers."""
        return f"http://127.0.0.1:{self.port}/api"

    def settings(self) -> Settings:
        """Settings as those of every program here."""
        return self.edge.settings(ledger=self.ledger, prefect_api_url=self.api, api_timeout=30.0)

    def start(self, name: str) -> None:
        """Start the program called *name*, for the first time or again."""
        self.starts += 1
        own = dict(GUARDED) if name == SERVER else {}
        if own and self.behind:
            own["PREFECT_API_URL"] = f"http://127.0.0.1:{self.behind}/api"
        self.living[name] = self.processes.start(f"{name}.{self.starts}", *self._command(name), env=own)

    def _command(self, name: str) -> tuple[str, ...]:
        if name == SERVER:
            port = str(self.behind or self.port)
            return ("-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port)
        if name == PROXY:
            return ("-m", "benchmarks.proxy", str(self.port), str(self.behind), str(self.calls))
        if name.startswith("keeper"):
            return ("-m", "phasegate.cli", "keeper", "--name", name)
        return ("-m", "prefect", "worker", "start", "--pool", POOL, "--name", name)

    @property
    def calls(self) -> Path:
        """Where the proxy writes one line for each request."""
        return self.home / "calls.jsonl"

    def kill(self, name: str) -> None:
        """Kill that process alone, as nothing but SIGKILL does."""
        process = self.living.pop(name)
        process.kill()
        process.wait()

    def wait_for_server(self) -> None:
        """Wait until the server answers; fails with its last words."""
        end = time.monotonic() + READY
        while time.monotonic() < end and self.living[SERVER].poll() is None:
            try:
                if httpx.get(f"{self.api}/health", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise RuntimeError(f"the Prefect server does not answer: {self.words(SERVER)}")

    def words(self, name: str) -> str:
        """The last words of the newest program of that name."""
        logs = sorted(self.processes.logs.glob(f"{name}.*.log"), key=lambda log: log.stat().st_mtime)
        return logs[-1].read_text(errors="replace")[-1500:] if logs else "nothing"

    def deploy(self, *names: str) -> None:
        """Make the pool and the deployments called *names*."""
        body = {"name": POOL, "type": "process"}
        httpx.post(f"{self.api}/work_pools/", json=body, timeout=30).raise_for_status()
        chosen = [part for name in names for part in ("--name", name)]
        self.processes.run("deploy", "-m", "prefect", "--no-prompt", "deploy", *chosen)

    def release(self, service: str, *, plan: str, bundle: Path, env: dict[str, str] | None = None) -> str:
        """Start a release of *service*; the run's id. *env* is for the process of this first run alone."""
        deployment = httpx.get(f"{self.api}/deployments/name/release/release", timeout=30).json()["id"]
        asked = {
            "service": service,
            "plan": plan,
            "bundle": str(bundle),
            "reason": "to see what becomes of it",
            "requested_by": "Linus",
        }
        body: dict[str, Any] = {"parameters": asked, "idempotency_key": uuid.uuid4().hex}
        if env:
            body["job_variables"] = {"env": env}
        answer = httpx.post(f"{self.api}/deployments/{deployment}/create_flow_run", json=body, timeout=60)
        answer.raise_for_status()
        return str(answer.json()["id"])


@contextmanager
def hosts(home: Path, *, wait_in_place: str, edge_program: str = "", **env: str) -> Iterator[Hosts]:
    """
    An edge, and PostgreSQL where it is installed for Prefect and ledger; nothing else is started yet.

    *edge_program* is the module that is run as the edge, if it is another than the tests'.

    Everything that was started ends with the block.
    """
    logs = home / "logs"
    logs.mkdir()
    with ExitStack() as stack:
        own = {"PHASEGATE_PLANS": json.dumps(PLANS), "PHASEGATE_WAIT_IN_PLACE": wait_in_place, **env}
        ledger = str(home / "ledger.db")
        if (programs := programs_of_postgres()) is not None:
            database = stack.enter_context(cluster(programs, durable=False))
            own["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = for_prefect(database)
            ledger = database.database()
        edge = EdgeProcess(home / "edge")
        edge.program = edge_program or edge.program
        stack.enter_context(edge)
        processes = Processes(logs, {**environment(home), **own})
        stack.callback(processes.end_all)
        found = Hosts(home, edge, processes, ledger)
        processes.env |= _addresses(found)
        yield found


def _addresses(found: Hosts) -> dict[str, str]:
    settings = found.settings()
    return {
        "PREFECT_API_URL": found.api,
        "PREFECT_SERVER_UI_API_URL": found.api,
        "PHASEGATE_PREFECT_API_URL": found.api,
        "PHASEGATE_LEDGER": found.ledger,
        "PHASEGATE_API_URL": settings.api_url,
        "PHASEGATE_ACCOUNT_ID": settings.account_id,
        "PHASEGATE_TOKEN": settings.token.get_secret_value(),
        "PHASEGATE_FRONT_DOOR": settings.front_door,
        "PHASEGATE_API_TIMEOUT": "30",
    }


def engine(run: str) -> int | None:
    """The process that runs a flow run now, known by the run's id in its environment; None without one."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            marked = f"PREFECT__FLOW_RUN_ID={run}".encode() in (process / "environ").read_bytes().split(b"\0")
            if marked and b"prefect.engine" in (process / "cmdline").read_bytes():
                return int(process.name)
        except OSError:
            continue
    return None


def stopped(pid: int) -> bool:
    """Whether the process has stopped itself; False when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
    except OSError:
        return False
