"""A whole world without Prefect: real edge, real bundles, real SQLite ledger, real requests."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
from pydantic import SecretStr

from phasegate.actions.outside import Outside
from phasegate.adapters.load import run_load
from phasegate.adapters.load_plan import plan_from_file
from phasegate.adapters.load_report import LoadReport
from phasegate.adapters.localhost import ssl_context
from phasegate.domain.events import Candidate
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Environment, RolloutPlan
from phasegate.edge.config import EdgeConfig
from phasegate.edge.server import Edge
from phasegate.settings import Settings
from phasegate.wiring import outside, read_bundle, read_plan

ROOT = Path(__file__).resolve().parent.parent.parent
SERVICE = "spring-rate-api"


def sample_module(name: str) -> ModuleType:
    """A module of the sample service, whose directory's name is no Python name."""
    place = ROOT / "examples" / "spring-rate-api" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"sample_{name}", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Stage:
    """An edge with version 0.1.11 at 100 %, and hands that act on it."""

    edge: Edge
    settings: Settings
    hands: Outside
    bundles: dict[str, Path]

    def plan(self, **changes: object) -> RolloutPlan:
        """The demo's plan, with fields replaced; no answer is slow here, so a second is judged sooner."""
        plan = read_plan(self.settings, "demo")
        telemetry = plan.telemetry.model_copy(update={"settle": SECOND})
        return plan.model_copy(update={"telemetry": telemetry, **changes})

    async def weights(self) -> dict[str, float]:
        """Tag -> weight, read from the edge."""
        live = await self.hands.target.live(SERVICE)
        assert live is not None
        tags = {version.id: version.tag for version in await self.hands.target.versions(SERVICE)}
        return {tags[share.version]: share.weight for share in live.split.shares}

    def candidate(self, version: str) -> Candidate:
        """A bundle as candidate."""
        bundle = read_bundle(self.settings, str(self.bundles[version]))
        return Candidate(bundle=str(self.bundles[version]), digest=bundle.digest, tag=bundle.tag)

    async def state(self, release: str) -> ReleaseState:
        """Where the release is."""
        return await self.hands.journal.state(release)

    async def traffic(self, *, seconds: float, rate: float) -> LoadReport:
        """A bounded open-loop stream of the sample's usual requests through the front door."""
        mix = ROOT / "examples" / "spring-rate-api" / "traffic.json"
        plan = plan_from_file(
            mix, rate=rate, duration=timedelta(seconds=seconds), threshold=SECOND, headers={}
        )
        return await run_load(self.edge.front_url(SERVICE), plan)


@asynccontextmanager
async def stage(home: Path, *versions: str, role: str = "test", **config: Any) -> AsyncIterator[Stage]:
    """Edge (*config* is its own), databases, bundles, and 0.1.11 serving; everything ends with the block."""
    async with Edge(EdgeConfig(rate_limit=None, **config)) as edge:
        settings = settings_for(edge, home)
        bundles = await _bundles(edge, home, ("0.1.11", *versions))
        async with outside(settings, role=role) as hands:
            bundle = read_bundle(settings, str(bundles["0.1.11"]))
            await hands.target.create(SERVICE, bundle, environment=Environment.PRODUCTION, release="first")
            yield Stage(edge=edge, settings=settings, hands=hands, bundles=bundles)


def settings_for(edge: Edge, home: Path, **changes: object) -> Settings:
    """Settings that point at *edge*, with a Prefect that nobody answers for."""
    fields: dict[str, object] = {
        "ledger": str(home / "ledger.db"),
        "project": ROOT,
        "api_url": edge.api_url,
        "account_id": edge.account_id,
        "token": SecretStr(edge.token),
        "front_door": edge.front_url("{worker}"),
        "prefect_api_url": "http://127.0.0.1:9/api",
        "api_timeout": 5.0,
    }
    return Settings.model_validate({**fields, **changes})


async def _bundles(edge: Edge, home: Path, versions: tuple[str, ...]) -> dict[str, Path]:
    build = sample_module("build")
    ids = [await make_database(edge, f"{SERVICE}-{name}") for name in ("production", "staging")]
    for database in ids:
        await asyncio.to_thread(build.apply_migrations, edge.api_url, edge.account_id, edge.token, database)
    return {
        version: build.build(version, home / "bundles", database_id=ids[0], staging_database_id=ids[1])
        for version in versions
    }


async def make_database(edge: Edge, name: str) -> str:
    """A new D1 database; its id."""
    async with httpx.AsyncClient(verify=ssl_context(), timeout=30) as client:
        answer = await client.post(
            f"{edge.api_url}/accounts/{edge.account_id}/d1/database",
            json={"name": name},
            headers={"Authorization": f"Bearer {edge.token}"},
        )
    answer.raise_for_status()
    return str(answer.json()["result"]["uuid"])


SECOND = timedelta(seconds=1)
