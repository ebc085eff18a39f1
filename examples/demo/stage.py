"""Sets the stage: edge, databases, version 1 at 100 %, Prefect, worker, keeper, traffic."""

import asyncio
import importlib.util
import json
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import httpx

from examples.demo.javascript import build_all, first_version
from examples.demo.processes import Processes, free_port
from phasegate.adapters.localhost import ssl_context
from phasegate.domain.plan import Environment
from phasegate.settings import Settings
from phasegate.wiring import outside, read_bundle

ROOT = Path(__file__).resolve().parent.parent.parent
SAMPLE = ROOT / "examples" / "spring-rate-api"
SERVICE = "spring-rate-api"
POOL = "phasegate"
# For a Prefect server on SQLite: without it, an unlucky moment makes it stand still for a minute.
GUARDED = {"PREFECT_PLUGINS_ENABLED": "true", "PREFECT_PLUGINS_ALLOW": "phasegate"}
# Two versions in production and two in staging, and what somebody else deploys in between.
LIVE_EACH = 6
GOOD = ("0.1.11", "0.1.12")
# What runs the versions, and the sample in its language.
TARGETS = {"python": SAMPLE, "workerd": ROOT / "examples" / "spring-rate-js"}


@dataclass(frozen=True)
class Stage:
    """Where everything is. ``bundles`` maps a version to its bundle's directory."""

    home: Path
    edge: dict[str, object]
    api: str
    ui: str
    bundles: dict[str, Path]
    rate: float


def environment(home: Path) -> dict[str, str]:
    """An environment of our own: temporary homes, analytics off, nothing inherited from Prefect."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "PHASEGATE_", "CLOUDFLARE_"))
    }
    return {
        **kept,
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "DO_NOT_TRACK": "1",
        "PHASEGATE_PROJECT": str(ROOT),
        "PHASEGATE_LEDGER": str(home / "ledger.db"),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }


def set_up(
    processes: Processes,
    home: Path,
    *,
    versions: tuple[str, ...],
    rate: float,
    say: object,
    deploy: tuple[str, ...] = ("--name", "release", "--name", "rollback"),
    target: str = "python",
    services: tuple[str, ...] = (SERVICE,),
) -> Stage:
    """
    Start everything and wait until version 1 of each service answers real requests.

    *deploy* is what ``prefect deploy`` is told; the demo leaves out the schedule, which costs processor time.
    Several *services* are the same sample under different names; they share its databases.
    """
    tell = say if callable(say) else print
    port = free_port()
    _start_prefect(processes, port)
    tell("local edge: starting")
    edge = _start_edge(processes, home, max_live=LIVE_EACH * (1 + len(services)))
    _point_at(processes, edge, port)
    bundles = build_bundles(edge, home / "bundles", (*GOOD, *versions), target=target)
    asyncio.run(_first_version(bundles[GOOD[0]], services, target=target))
    tell(f"version {GOOD[0]} serves 100 % at {' '.join(front_door(edge, each) for each in services)}")
    tell("Prefect server: starting (the first start on an empty home takes half a minute)")
    api = f"http://127.0.0.1:{port}/api"
    processes.wait_until("prefect-server", lambda: _healthy(f"{api}/health"), limit=180)
    _start_workers(processes, deploy)
    for service in services:
        _start_traffic(processes, edge, home, rate, service)
    tell(f"worker and keeper are up, {rate:g} requests per second are on their way")
    return Stage(home=home, edge=edge, api=api, ui=f"http://127.0.0.1:{port}", bundles=bundles, rate=rate)


def _start_prefect(processes: Processes, port: int) -> None:
    processes.env |= {
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_UI_API_URL": f"http://127.0.0.1:{port}/api",
    }
    command = ("-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
    processes.start("prefect-server", *command, env=GUARDED)


def _start_edge(processes: Processes, home: Path, *, max_live: int) -> dict[str, object]:
    settings = ("--no-rate-limit", "--state", str(home / "edge"), "--max-live", str(max_live))
    processes.start("edge", "-m", "phasegate.cli", "edge", *settings)
    log = processes.logs / "edge.log"
    processes.wait_until("edge", lambda: "api_url" in log.read_text(), limit=30)
    line = next(line for line in log.read_text().splitlines() if "api_url" in line)
    described: dict[str, object] = json.loads(line)
    return described


def front_door(edge: dict[str, object], worker: str = SERVICE) -> str:
    """The address of a Worker on the edge."""
    return f"http://{worker}.localhost:{edge['front_port']}"


def _point_at(processes: Processes, edge: dict[str, object], port: int) -> None:
    processes.env |= {
        "PHASEGATE_API_URL": str(edge["api_url"]),
        "PHASEGATE_ACCOUNT_ID": str(edge["account_id"]),
        "PHASEGATE_TOKEN": str(edge["token"]),
        "PHASEGATE_FRONT_DOOR": front_door(edge, "{worker}"),
        "PHASEGATE_PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
    }
    os.environ.update({k: v for k, v in processes.env.items() if k.startswith(("PHASEGATE_", "PREFECT_"))})


def build_bundles(
    edge: dict[str, object], out: Path, versions: tuple[str, ...], *, target: str = "python"
) -> dict[str, Path]:
    """Make the two databases, apply the migrations, and build every version against them."""
    production, staging = make_databases(edge, SERVICE)
    build = sample_module("build", of=TARGETS[target]).build
    bundles = {
        version: build(version, out, database_id=production, staging_database_id=staging)
        for version in versions
    }
    return bundles if target == "python" else build_all(bundles, out / "built")


def make_databases(edge: dict[str, object], service: str) -> tuple[str, str]:
    """Production's and staging's database of *service*, new and with the sample's migrations; their ids."""
    migrate = sample_module("build").apply_migrations
    production, staging = (_database(edge, f"{service}-{name}") for name in ("production", "staging"))
    for database in (production, staging):
        migrate(str(edge["api_url"]), str(edge["account_id"]), str(edge["token"]), database)
    return production, staging


def sample_module(name: str, *, of: Path = SAMPLE) -> ModuleType:
    """A module of the sample service, whose directory's name is no Python name."""
    spec = importlib.util.spec_from_file_location(f"sample_{name}", of / f"{name}.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(of / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _database(edge: dict[str, object], name: str) -> str:
    answer = httpx.post(
        f"{edge['api_url']}/accounts/{edge['account_id']}/d1/database",
        json={"name": name},
        headers={"Authorization": f"Bearer {edge['token']}"},
        timeout=30,
    )
    answer.raise_for_status()
    return str(answer.json()["result"]["uuid"])


async def _first_version(bundle: Path, services: tuple[str, ...], *, target: str) -> None:
    settings = Settings()
    async with outside(settings, role="demo") as hands:
        for service in services:
            if target == "workerd":
                await first_version(hands, settings, service, bundle)
                continue
            built = read_bundle(settings, str(bundle))
            await hands.target.create(service, built, environment=Environment.PRODUCTION, release="first")


def _start_traffic(
    processes: Processes, edge: dict[str, object], home: Path, rate: float, service: str
) -> None:
    name, progress = f"traffic-{service}", home / f"traffic-{service}.jsonl"
    processes.start(
        name,
        "-m",
        "phasegate.adapters.load",
        *("--url", front_door(edge, service)),
        *("--rate", str(rate)),
        *("--seconds", "3600"),
        *("--mix", str(SAMPLE / "traffic.json")),
        *("--progress-file", str(progress)),
    )
    processes.wait_until(name, lambda: progress.exists() and progress.stat().st_size > 0, limit=30)


def _start_workers(processes: Processes, deploy: tuple[str, ...]) -> None:
    """Worker, keeper and the deployments at the same time; each takes seconds to import Prefect."""
    with prefect_client(processes.env) as client:
        client.post("/work_pools/", json={"name": POOL, "type": "process"}).raise_for_status()
    processes.start("worker", "-m", "prefect", "worker", "start", "--pool", POOL, "--name", "demo")
    processes.start("keeper", "-m", "phasegate.cli", "keeper", "--name", "keeper")
    processes.run("deploy", "-m", "prefect", "--no-prompt", "deploy", *deploy)
    with prefect_client(processes.env) as client:
        _run_directly(client)


def _run_directly(client: httpx.Client) -> None:
    """Name the Python of this machine: else each run first starts a process that looks for the one to use."""
    found = client.post("/deployments/filter", json={})
    found.raise_for_status()
    for deployment in found.json():
        told = {**deployment["job_variables"], "command": f"{sys.executable} -m prefect.engine"}
        client.patch(f"/deployments/{deployment['id']}", json={"job_variables": told}).raise_for_status()


@contextmanager
def prefect_client(env: dict[str, str]) -> Iterator[httpx.Client]:
    """A client of the stage's Prefect API, with credentials and a CSRF token where its server wants them."""
    user, _, password = env.get("PREFECT_API_AUTH_STRING", "").partition(":")
    auth = (user, password) if user else None
    with httpx.Client(base_url=env["PREFECT_API_URL"], auth=auth, timeout=30) as client:
        name = uuid.uuid4().hex
        answer = client.get("/csrf-token", params={"client": name})
        if answer.status_code == 200:
            token = answer.json()["token"]
            client.headers.update({"Prefect-Csrf-Client": name, "Prefect-Csrf-Token": token})
        yield client


def _healthy(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, verify=ssl_context()).status_code == 200
    except httpx.HTTPError:
        return False
