"""The same world with Workers in JavaScript, built by the real wrangler and run by workerd."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from examples.demo.javascript import first_version
from examples.demo.stage import TARGETS, sample_module
from phasegate.edge.config import EdgeConfig
from phasegate.edge.server import Edge
from phasegate.wiring import outside, settle_bundle
from tests.release.stage import SERVICE, Stage, make_database, settings_for


async def projects(edge: Edge, home: Path, *versions: str) -> list[Path]:
    """A project for each version, against two databases that are migrated."""
    ids = [await make_database(edge, f"{SERVICE}-{name}") for name in ("production", "staging")]
    migrate = sample_module("build").apply_migrations
    for database in ids:
        await asyncio.to_thread(migrate, edge.api_url, edge.account_id, edge.token, database)
    build = sample_module("build", of=TARGETS["workerd"]).build
    return [
        build(version, home / "projects", database_id=ids[0], staging_database_id=ids[1])
        for version in versions
    ]


@asynccontextmanager
async def javascript_stage(home: Path, *versions: str) -> AsyncIterator[Stage]:
    """As `stage`: 0.1.11 serves, and bundles of *versions* are ready."""
    async with Edge(EdgeConfig(rate_limit=None)) as edge:
        settings = settings_for(edge, home)
        laid_out = await projects(edge, home, "0.1.11", *versions)
        built = {path.name: Path(await settle_bundle(settings, str(path))) for path in laid_out}
        async with outside(settings, role="test") as hands:
            await first_version(hands, settings, SERVICE, built["0.1.11"])
            yield Stage(edge=edge, settings=settings, hands=hands, bundles=built)
