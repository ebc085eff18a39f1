"""Bring the database of an environment to where the candidate needs it."""

import asyncio

from phasegate.actions.migrating import find_database, plan_migrations
from phasegate.actions.migrating import migrate as apply
from phasegate.domain.bundle import Bundle
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.migrations import Migration
from phasegate.domain.plan import Environment
from phasegate.settings import Settings
from phasegate.wiring import plan_migration_files, shared
from tasks.deploy import candidate_bundle
from tasks.step import step


@step(name="migrate-{phase}")
async def migrate(release: str, phase: str) -> tuple[str, ...]:
    """
    Plan what is due, for production too while still in staging, and apply it to the phase's environment.

    Returns the names of the release's migrations; without a database in the plan nothing happens.
    """
    outside = await shared()
    state = await outside.journal.state(release)
    environment = state.plan.phase(phase).environment
    known = state.databases.get(environment)
    if state.plan.database is None or (known and (known.after or not known.pending)):
        return known.names if known else ()
    files, bundle = await asyncio.to_thread(_material, state)
    for each in dict.fromkeys((environment, Environment.PRODUCTION)):
        database = await find_database(outside, state, each, bundle=bundle)
        await plan_migrations(outside, release, environment=each, database=database, files=files)
    state = await apply(outside, release, environment=environment, files=files)
    known = state.databases.get(environment)
    return known.names if known else ()


def _material(state: ReleaseState) -> tuple[tuple[Migration, ...], Bundle | None]:
    return plan_migration_files(Settings(), state.plan), candidate_bundle(state)
