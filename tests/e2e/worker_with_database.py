"""A Worker with a database beside the service of the house: projects to release, and its D1 by hand."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from examples.demo.javascript import first_version
from examples.demo.processes import Processes
from examples.demo.stage import GOOD, SAMPLE, TARGETS, front_door, make_databases, sample_module
from phasegate.domain.plan import Environment
from phasegate.wiring import build_runs, outside
from tests.e2e.house import ROOT, House, condition

WORKER = "spring-rate-d1"
PLAN = "with-database"
ROLE = "database-owner"
RATE = 30.0
STAGING, PRODUCTION = Environment.STAGING, Environment.PRODUCTION
# What the plan names, relative to the project; made anew for each session.
MIGRATIONS = ROOT / "build" / "e2e" / "migrations"


@dataclass(frozen=True)
class Worker:
    """*databases* are the ids of its D1 databases; *users* send requests to it until they are ended."""

    house: House
    home: Path
    users: Processes
    databases: dict[Environment, str]

    def project(self, version: str) -> Path:
        """A Worker project of *version*, not built."""
        build = sample_module("build", of=TARGETS["workerd"]).build
        ids = {"database_id": self.databases[PRODUCTION], "staging_database_id": self.databases[STAGING]}
        laid_out: Path = build(version, self.home / "projects", **ids)
        return laid_out

    def migration(self, name: str, sql: str, *, down: str) -> None:
        """Add a migration to the project, with its way back."""
        (MIGRATIONS / name).write_text(sql)
        (MIGRATIONS / "down" / name).write_text(down)

    async def start(self, project: Path) -> str:
        """Start a release of *project* as the UI does, so that its run has to build it; its name."""
        runs = build_runs(self.house.settings)
        asked = {"service": WORKER, "plan": PLAN, "bundle": str(project), "requested_by": "Linus"}
        try:
            run = await runs.start({**asked, "reason": "a release in a test"}, idempotency_key=project.name)
        finally:
            await runs.aclose()
        return f"{WORKER}-{run[:8]}"

    async def sql(self, sql: str, *, environment: Environment = PRODUCTION) -> list[dict[str, Any]]:
        """Run SQL as anybody may who has a token, again while the edge fails on purpose; the rows."""
        edge = self.house.stage.edge
        path = f"accounts/{edge['account_id']}/d1/database/{self.databases[environment]}/query"
        headers = {"Authorization": f"Bearer {edge['token']}"}

        async def ran() -> list[dict[str, Any]] | None:
            try:
                answer = await client.post(f"{edge['api_url']}/{path}", json={"sql": sql})
            except httpx.TransportError:
                return None
            if answer.status_code == 429 or answer.status_code >= 500:
                return None
            answer.raise_for_status()
            rows: list[dict[str, Any]] = answer.json()["result"][-1]["results"]
            return rows

        async with httpx.AsyncClient(headers=headers, timeout=30) as client:
            return await condition(ran, limit=60)

    async def applied(self, *, environment: Environment = PRODUCTION) -> list[str]:
        """The migrations that the database has."""
        rows = await self.sql("SELECT name FROM d1_migrations ORDER BY id", environment=environment)
        return [row["name"] for row in rows]

    async def serves(self) -> str:
        """The tag of the version at 100 %."""
        async with self.house.hands() as hands:
            live = await hands.target.live(WORKER)
            versions = {version.id: version.tag for version in await hands.target.versions(WORKER)}
        assert live is not None
        [share] = [share for share in live.split.shares if share.weight == 100]
        return versions[share.version]

    async def take_back(self, release: str, way: str, **order: str) -> tuple[str, str]:
        """Order the database back through Prefect; the run's last state and its message."""
        flow = await self.house.prefect("GET", "/deployments/name/database-rollback/database-rollback")
        told = {"approver": "Grace", "reason": "totals are wrong", "release": release, "way": way, **order}
        path = f"/deployments/{flow['id']}/create_flow_run"
        run = await self.house.prefect("POST", path, {"parameters": told})
        over = await self.house.run_over(run["id"])
        return over["state_name"], over["state"]["message"]


@contextmanager
def worker_with_database(house: House) -> Iterator[Worker]:
    """The Worker with its first version at 100 %, its staging, their databases, and users."""
    home = house.stage.home / WORKER
    shutil.rmtree(MIGRATIONS, ignore_errors=True)
    shutil.copytree(SAMPLE / "migrations", MIGRATIONS)
    production, staging = make_databases(house.stage.edge, WORKER)
    ids = {"database_id": production, "staging_database_id": staging}
    # In Python, which no wrangler has to build; what it is written in is the next version's own affair.
    first = sample_module("build").build(GOOD[0], home / "first", **ids)
    asyncio.run(_create(house, first))
    users = Processes(home, house.env)
    _send_users(users, house, progress=home / "users.jsonl")
    try:
        yield Worker(house, home, users, {PRODUCTION: production, STAGING: staging})
    finally:
        users.end_all()


async def _create(house: House, bundle: Path) -> None:
    async with outside(house.settings, role="test") as hands:
        await first_version(hands, house.settings, WORKER, bundle)


def _send_users(users: Processes, house: House, *, progress: Path) -> None:
    to = ("--url", front_door(house.stage.edge, WORKER), "--rate", str(RATE), "--seconds", "3600")
    how = ("--mix", str(SAMPLE / "traffic.json"), "--progress-file", str(progress))
    users.start("users", "-m", "phasegate.adapters.load", *to, *how)
    users.wait_until("users", lambda: progress.exists() and progress.stat().st_size > 0, limit=30)
