"""
Bring a release's migrations into the database of an environment, before its new version is used there.

Planned by reading only; applied file by file, each with its name in one transaction. Killed at
any point and called again it goes on: what is applied says the database itself.
"""

from collections.abc import Mapping, Sequence

from phasegate.actions.collecting import staging_name
from phasegate.actions.deploying import existing
from phasegate.actions.outside import Outside
from phasegate.domain import migrations
from phasegate.domain.bundle import Bundle
from phasegate.domain.database import DatabaseState, Migrated, Migrating, MigrationsPlanned
from phasegate.domain.errors import Refused
from phasegate.domain.events import Candidate, Event
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.migrations import Migration
from phasegate.domain.plan import Database, Environment


async def find_database(
    outside: Outside, state: ReleaseState, environment: Environment, *, bundle: Bundle | None
) -> str:
    """
    The id of the database that the candidate uses in *environment*; the plan must have a ``database:``.

    A candidate that is released by version has no *bundle*: the platform says how it is bound.
    Raises Refused when it has no such D1 binding.
    """
    assert state.plan.database is not None
    if bundle is not None:
        return database_of(bundle, state.plan.database, environment)
    candidate = state.opened.candidate
    return await uploaded_database(
        outside, state.service, candidate, state.plan.database, environment=environment
    )


async def uploaded_database(
    outside: Outside, service: str, candidate: Candidate, plan: Database, *, environment: Environment
) -> str:
    """
    The id of the database that an uploaded candidate is bound to in *environment*; in staging it is its twin.

    Raises Refused when it is not there, or has no such D1 binding.
    """
    worker = service if environment is Environment.PRODUCTION else staging_name(service)
    version = await existing(outside, candidate, worker)
    return _bound(await outside.target.databases(worker, version.id), plan, environment)


def database_of(bundle: Bundle, plan: Database, environment: Environment) -> str:
    """
    The id of the database that *bundle* binds in *environment*.

    Raises Refused when the bundle has no such D1 binding.
    """
    bindings = [each for each in bundle.metadata[environment].get("bindings", ()) if each.get("type") == "d1"]
    ids = {str(each.get("name")): str(each.get("id") or each.get("database_id") or "") for each in bindings}
    return _bound(ids, plan, environment)


def _bound(databases: Mapping[str, str], plan: Database, environment: Environment) -> str:
    if database := databases.get(plan.binding):
        return database
    found = ", ".join(databases) or "none"
    raise Refused(
        f"database.binding: the candidate has no D1 binding {plan.binding!r} for {environment} "
        f"(it has {found}); allowed: a candidate with that binding, or a plan that names another"
    )


async def plan_migrations(
    outside: Outside, release: str, *, environment: Environment, database: str, files: Sequence[Migration]
) -> ReleaseState:
    """
    Note what is due in *database*, once; nothing is written to it.

    Raises Refused when a migration would break the old version and does not say why not, and
    when the two environments of one release would share a database.
    """
    state = await outside.journal.state(release)
    if environment in state.databases or state.aborting:
        return state
    shared = [other for other, known in state.databases.items() if known.database == database]
    if shared:
        raise Refused(f"{environment} and {shared[0]} share database {database}; give staging its own")
    pending = migrations.plan(files, await outside.database.applied(database))
    event = MigrationsPlanned(environment=environment, database=database, pending=pending)

    def once(now: ReleaseState) -> Event | None:
        return None if environment in now.databases or now.aborting else event

    return await outside.journal.record(release, once)


async def migrate(
    outside: Outside, release: str, *, environment: Environment, files: Sequence[Migration]
) -> ReleaseState:
    """
    Apply what was planned for *environment*, and note how the database was before and is after.

    Raises Refused when a file is not the one that was planned, when staging has not had it,
    and with the database's words when it refuses one: the files before it stay applied.
    """
    state = await outside.journal.state(release)
    known = state.databases.get(environment)
    if known is None or not known.pending or known.after is not None or state.aborting:
        return state
    _staged(state, environment)
    wanted = _wanted(known, files)
    state = await _begin(outside, state, environment, known.database)
    for migration in wanted:
        state = await outside.journal.state(release)
        if state.aborting:
            return state
        await outside.database.apply(known.database, migration)
    event = Migrated(
        environment=environment,
        names=known.names,
        bookmark=await outside.database.bookmark(known.database),
        tables=migrations.schema_digest(await outside.database.schema(known.database)),
    )

    def once(now: ReleaseState) -> Event | None:
        return None if now.databases[environment].after else event

    return await outside.journal.record(release, once)


async def _begin(
    outside: Outside, state: ReleaseState, environment: Environment, database: str
) -> ReleaseState:
    if state.databases[environment].before is not None:
        return state
    event = Migrating(
        environment=environment,
        bookmark=await outside.database.bookmark(database),
        tables=migrations.schema_digest(await outside.database.schema(database)),
    )

    def once(now: ReleaseState) -> Event | None:
        return None if now.aborting or now.databases[environment].before else event

    return await outside.journal.record(state.release, once)


def _staged(state: ReleaseState, environment: Environment) -> None:
    """What was never tried on staging does not touch production's data."""
    has_staging = any(phase.environment is Environment.STAGING for phase in state.plan.phases)
    if environment is Environment.STAGING or not has_staging:
        return
    tried = state.databases.get(Environment.STAGING)
    for planned in state.databases[environment].pending:
        twin = [each for each in (tried.pending if tried else ()) if each.name == planned.name]
        if twin and (tried is None or tried.after is None):
            raise Refused(
                f"{planned.name}: planned for staging and not applied there; start the release again"
            )
        if twin and twin[0].digest != planned.digest:
            raise Refused(f"{planned.name}: not the file that was tried on staging; start the release again")


def _wanted(known: DatabaseState, files: Sequence[Migration]) -> list[Migration]:
    by_name = {migration.name: migration for migration in files}
    wanted = []
    for planned in known.pending:
        found = by_name.get(planned.name)
        if found is None or migrations.digest(found.sql) != planned.digest:
            raise Refused(
                f"{planned.name}: the file has changed since the release planned it "
                f"(sha256 {planned.digest[:12]}…); start the release again"
            )
        wanted.append(found)
    return wanted
