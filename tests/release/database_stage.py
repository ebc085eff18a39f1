"""A release with one migration more than its databases have, on the edge's D1."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from phasegate.actions.advancing import call_off
from phasegate.actions.database_return import return_database
from phasegate.actions.migrating import database_of, migrate, plan_migrations
from phasegate.actions.opening import find_candidate
from phasegate.actions.rollback import restore
from phasegate.adapters.migration_files import read_migrations
from phasegate.domain.bundle import Bundle
from phasegate.domain.database import DatabaseState, ReturnOrder, Way
from phasegate.domain.events import Candidate
from phasegate.domain.migrations import Migration
from phasegate.domain.plan import Database, Environment
from phasegate.wiring import read_bundle
from tests.release.stage import ROOT, SERVICE, Stage, stage
from tests.release.test_keeper_takes_back import RELEASE, open_only

SAMPLE = ROOT / "examples" / "spring-rate-api" / "migrations"
NOTES = "0004_notes.sql"
FORWARD = (
    "ALTER TABLE calculations ADD COLUMN note TEXT;\nCREATE TABLE notes (id TEXT PRIMARY KEY, said TEXT)"
)
BACK = "DROP TABLE notes;\nALTER TABLE calculations DROP COLUMN note;"
STAGING, PRODUCTION = Environment.STAGING, Environment.PRODUCTION
ROLE = "database-owner"


@dataclass
class Databases:
    """A release of 0.1.12 with one migration more than the databases have."""

    world: Stage
    files: tuple[Migration, ...]
    ids: dict[Environment, str]

    async def plan(self, environment: Environment) -> None:
        """Note what is due."""
        database = self.ids[environment]
        await plan_migrations(
            self.world.hands, RELEASE, environment=environment, database=database, files=self.files
        )

    async def apply(self, environment: Environment) -> None:
        """Apply what was planned."""
        await migrate(self.world.hands, RELEASE, environment=environment, files=self.files)

    async def migrated(self) -> None:
        """Both environments have it, staging first."""
        for environment in (STAGING, PRODUCTION):
            await self.plan(environment)
            await self.apply(environment)

    async def taken_back(self) -> None:
        """Traffic is with the old version again."""
        await call_off(self.world.hands, RELEASE, by="grace", reason="totals are wrong")
        await restore(self.world.hands, RELEASE)

    async def sql(self, sql: str) -> list[dict[str, object]]:
        """Run SQL in production's database, as anybody may."""
        client = self.world.hands.database._client  # type: ignore[attr-defined]
        answer = await client.ask(f"d1/database/{self.ids[PRODUCTION]}/query", {"sql": sql})
        return list(answer[-1]["results"])

    async def known(self) -> DatabaseState:
        """What the ledger knows of production's database."""
        return (await self.world.state(RELEASE)).databases[PRODUCTION]

    async def order(self, way: Way, **said: str) -> DatabaseState:
        """Take production's database back."""
        order = ReturnOrder(way=way, by=said.pop("by", "grace"), reason="totals are wrong", **said)
        await return_database(self.world.hands, RELEASE, order, files=self.files)
        return await self.known()


@asynccontextmanager
async def databases(home: Path, *, down: bool = True, uploaded: bool = False) -> AsyncIterator[Databases]:
    """A release of the bundle, or of the version that somebody *uploaded* to both environments."""
    folder = home / "migrations"
    shutil.copytree(SAMPLE, folder)
    (folder / NOTES).write_text(FORWARD)
    (folder / "down").mkdir(exist_ok=True)
    if down:
        (folder / "down" / NOTES).write_text(BACK)
    async with stage(home, "0.1.12") as world:
        database = Database(migrations=str(folder), roles=(ROLE,))
        plan = world.plan(database=database)
        bundle = read_bundle(world.settings, str(world.bundles["0.1.12"]))
        candidate = await _uploaded(world, bundle) if uploaded else None
        await open_only(world, "0.1.12", plan, candidate=candidate)
        ids = {each: database_of(bundle, database, each) for each in (STAGING, PRODUCTION)}
        yield Databases(world, read_migrations(folder, down="down"), ids)


async def _uploaded(world: Stage, bundle: Bundle) -> Candidate:
    """By hand, as a pipeline does that knows nothing of phasegate."""
    put = world.hands.target
    await put.create(f"{SERVICE}-staging", bundle, environment=STAGING, release="by hand")
    await put.upload(SERVICE, bundle, environment=PRODUCTION, release="by hand")
    return await find_candidate(world.hands, SERVICE, version=bundle.tag)


def a_session(owner: str) -> str:
    return f"INSERT INTO sessions (refresh_hash, owner, expires_at) VALUES ('{owner}', '{owner}', 1)"
