"""What the commands of ``phasegate d1`` do and print."""

import asyncio
from collections.abc import Mapping
from typing import Any

import click
from pydantic import ValidationError

from phasegate.actions.database_return import loss_words, return_database
from phasegate.actions.migrating import database_of, uploaded_database
from phasegate.actions.opening import find_candidate
from phasegate.actions.outside import Outside
from phasegate.domain import migrations
from phasegate.domain.database import DatabaseState, ReturnOrder
from phasegate.domain.errors import FixTheInput, Refused
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Environment
from phasegate.report.events_text import describe
from phasegate.settings import Settings
from phasegate.wiring import outside, plan_migration_files, read_bundle, read_plan, settle_bundle


async def show_plan(*, plan: str, bundle: str, service: str, version: str, environment: str) -> None:
    """Print what is due. Raises PlanError, BundleError, and Refused for what would break the old version."""
    settings = Settings()
    if bool(bundle) == bool(service and version):
        raise FixTheInput("give either --bundle, or --service and --version")
    rollout = read_plan(settings, plan)
    if rollout.database is None:
        raise Refused(f"plan {rollout.name!r} names no database; allowed: a plan with a 'database:' block")
    files = plan_migration_files(settings, rollout)
    where = Environment(environment)
    candidate = read_bundle(settings, await settle_bundle(settings, bundle)) if bundle else None
    async with outside(settings, role="cli") as hands:
        if candidate is not None:
            database = database_of(candidate, rollout.database, where)
        else:
            known = await find_candidate(hands, service, version=version)
            database = await uploaded_database(hands, service, known, rollout.database, environment=where)
        applied = await hands.database.applied(database)
    due = migrations.plan(files, applied)
    click.echo(f"{environment} database {database}: {len(applied)} applied, {len(due)} due")
    for each in due:
        click.echo(f"  {each.name}  {'can be taken back' if each.down_digest else 'has no down-SQL'}")
        for contract in each.contracts:
            click.echo(f"    {contract}")


async def show_status(release: str, environment: str) -> None:
    """Print what the ledger knows and what the database says now."""
    async with outside(Settings(), role="cli") as hands:
        known = await _known(hands, release, environment)
        now = await hands.database.bookmark(known.database)
        click.echo(f"{environment} database {known.database}, now at bookmark {now}")
        click.echo(f"migrations of {release}: {', '.join(known.names) or 'none'}")
        if known.before:
            click.echo(f"before them it was at {known.before.bookmark}")
        if known.after:
            same = "nobody wrote since" if now == known.after.bookmark else "it was written to since"
            click.echo(f"after them it was at {known.after.bookmark}: {same}")
        if known.returned:
            click.echo(describe(known.returned))
        elif known.after and now != known.after.bookmark:
            click.echo(f"to restore it, a loss has to be accepted: --accept-data-loss {loss_words(known)!r}")


async def show_schema(release: str, environment: str) -> None:
    """Print schema and applied migrations."""
    async with outside(Settings(), role="cli") as hands:
        known = await _known(hands, release, environment)
        found = await hands.database.schema(known.database)
        for name in await hands.database.applied(known.database):
            click.echo(f"-- applied: {name}")
        for sql in found.values():
            click.echo(f"{sql};")
        if known.before:
            same = migrations.schema_digest(found) == known.before.tables
            click.echo(f"-- {'this is' if same else 'this is not'} the schema from before {release}")


async def take_back(release: str, order: dict[str, Any], *, options: Mapping[str, str]) -> None:
    """Do what was ordered and print what was done; *options* are the names of fields at the terminal."""
    try:
        wanted = ReturnOrder.model_validate(order)
    except ValidationError as error:
        fault = error.errors()[0]
        field = str(fault["loc"][0])
        raise FixTheInput(f"{options.get(field, '--' + field)}: {fault['msg']}") from None
    settings = Settings()
    async with outside(settings, role="cli") as hands:
        state = await hands.journal.state(release)
        files = await asyncio.to_thread(plan_migration_files, settings, state.plan)
        state = await return_database(hands, release, wanted, files=files)
        click.echo(_said(state, wanted))


def _said(state: ReleaseState, order: ReturnOrder) -> str:
    returned = state.databases[order.environment].returned
    return describe(returned) if returned else ""


async def _known(hands: Outside, release: str, environment: str) -> DatabaseState:
    state = await hands.journal.state(release)
    known = state.databases.get(Environment(environment))
    if known is None:
        raise Refused(f"{release} has planned nothing for a {environment} database")
    return known
