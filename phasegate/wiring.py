"""
What is configured becomes adapters: the only place that knows which is which.

Heavy adapters are imported where they are built, so that a command that needs
none of them starts fast.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx

from phasegate.actions.journal import Journal
from phasegate.actions.outside import Outside
from phasegate.adapters.bundle_files import load_bundle
from phasegate.adapters.channels import LogChannel, WebhookChannel
from phasegate.adapters.checks_http import HttpChecks
from phasegate.adapters.clock import SystemClock
from phasegate.adapters.cloudflare import (
    CloudflareAnalytics,
    CloudflareClient,
    CloudflareD1,
    CloudflareTarget,
    CloudflareTelemetry,
)
from phasegate.adapters.cloudflare.roles import needs, refuse_api_keys, variable
from phasegate.adapters.ledger_sql import SqlLedger
from phasegate.adapters.localhost import ssl_context
from phasegate.adapters.migration_files import read_migrations
from phasegate.adapters.plan_yaml import load_plan, plan_names
from phasegate.adapters.prefect_runs import PrefectRuns
from phasegate.domain.bundle import Bundle
from phasegate.domain.errors import SettingsError
from phasegate.domain.migrations import Migration
from phasegate.domain.plan import RolloutPlan
from phasegate.ports import Channel, Clock, Metrics
from phasegate.report.pictures import MarkdownPictures
from phasegate.settings import Settings, TokenRole

DEPLOYMENT_LOG = "deployment-log"
_open: dict[int, tuple[AsyncExitStack, Outside]] = {}


def driver_name(role: str) -> str:
    """Who acts, as the ledger shows it: role, host and process."""
    return f"{role}@{socket.gethostname()}:{os.getpid()}"


@asynccontextmanager
async def outside(settings: Settings, *, role: str) -> AsyncIterator[Outside]:
    """
    Build every adapter from *settings* and close them at the end.

    Raises SettingsError naming what is missing, before anything is contacted.
    """
    _complete(settings)
    async with AsyncExitStack() as stack:
        yield await _build(settings, role, stack)


async def _build(settings: Settings, role: str, stack: AsyncExitStack) -> Outside:
    clock = SystemClock()
    ledger = await open_ledger(settings)
    stack.push_async_callback(ledger.close)
    reader, rollout = _clients(settings)
    migrate = _migrating(settings, rollout)
    # A source that accepts calls and does not answer holds every connection that it may have: its own alone.
    first, second = reader.alongside(), reader.alongside()
    for client in (reader, rollout, migrate, first, second):
        stack.push_async_callback(client.close)
    checks = HttpChecks(clock, project=settings.project.resolve())
    stack.push_async_callback(checks.aclose)
    runs = build_runs(settings)
    stack.push_async_callback(runs.aclose)
    return Outside(
        journal=Journal(ledger, clock, driver=driver_name(role)),
        target=CloudflareTarget(rollout, reader=reader, front_door=settings.front_door),
        database=CloudflareD1(migrate),
        metrics=(telemetry := CloudflareTelemetry(first)),
        checks=checks,
        channels=await _channels(settings, clock, stack),
        runs=runs,
        clock=clock,
        pictures=MarkdownPictures(),
        second=CloudflareAnalytics(second),
        marked=telemetry,
    )


def _clients(settings: Settings) -> tuple[CloudflareClient, CloudflareClient]:
    """The reader and the one that writes: the same when they have one token, whose rate limit they share."""
    if settings.token_for(TokenRole.READER) == settings.token_for(TokenRole.ROLLOUT):
        both = cloudflare_client(settings, TokenRole.ROLLOUT, TokenRole.READER)
        return both, both
    return cloudflare_client(settings, TokenRole.READER), cloudflare_client(settings, TokenRole.ROLLOUT)


def _migrating(settings: Settings, rollout: CloudflareClient) -> CloudflareClient:
    """The client that changes databases; without a token of its own the one of the roll-out."""
    token = settings.token_for(TokenRole.MIGRATE)
    if not token.get_secret_value() or token == settings.token_for(TokenRole.ROLLOUT):
        return rollout
    return cloudflare_client(settings, TokenRole.MIGRATE)


def cloudflare_client(settings: Settings, role: TokenRole, *also: TokenRole) -> CloudflareClient:
    """
    A client with the token of *role*, for what that role (and *also*) may do and nothing else.

    Raises SettingsError when neither it nor PHASEGATE_TOKEN is set.
    """
    if not (token := settings.token_for(role)).get_secret_value():
        raise SettingsError(f"{variable(role)} or PHASEGATE_TOKEN must be set")
    return CloudflareClient(
        settings.api_url,
        settings.account_id,
        token,
        timeout=settings.api_timeout,
        needs=needs((role, *also)),
    )


@asynccontextmanager
async def metrics(settings: Settings) -> AsyncIterator[Metrics]:
    """The metrics source alone; raises SettingsError naming what is missing."""
    _complete(settings, TokenRole.READER)
    client = cloudflare_client(settings, TokenRole.READER)
    try:
        yield CloudflareTelemetry(client)
    finally:
        await client.close()


def build_runs(settings: Settings) -> PrefectRuns:
    """The orchestrator's API, without anything else."""
    return PrefectRuns(
        settings.prefect_api_url,
        auth=settings.prefect_auth,
        ui_url=settings.prefect_ui_url,
        timeout=settings.api_timeout,
        release_deployment=settings.release_deployment,
        rollback_deployment=settings.rollback_deployment,
    )


async def open_ledger(settings: Settings) -> SqlLedger:
    """The ledger alone, ready for use."""
    ledger = named_ledger(settings)
    await ledger.ready()
    return ledger


def named_ledger(settings: Settings) -> SqlLedger:
    """The ledger that is configured, whether or not there is one yet; nothing is created."""
    return SqlLedger(settings.ledger or str(settings.project / ".phasegate" / "ledger.db"))


async def shared(role: str = "run") -> Outside:
    """One set of adapters per event loop: what the tasks of one run have in common."""
    loop = id(asyncio.get_running_loop())
    if loop not in _open:
        settings = Settings()
        _complete(settings)
        stack = AsyncExitStack()
        _open[loop] = (stack, await _build(settings, role, stack))
    return _open[loop][1]


async def close_shared() -> None:
    """Close what `shared` opened for this event loop."""
    entry = _open.pop(id(asyncio.get_running_loop()), None)
    if entry:
        await entry[0].aclose()


def _complete(settings: Settings, *needed: TokenRole) -> None:
    refuse_api_keys(os.environ)
    needed = needed or (TokenRole.READER, TokenRole.ROLLOUT)
    roles = [role for role in needed if not _given(settings, role)]
    missing = [] if settings.account_id else ["PHASEGATE_ACCOUNT_ID"]
    missing += ["PHASEGATE_TOKEN"] if len(roles) == 2 else [variable(role) for role in roles]
    if missing:
        raise SettingsError(
            f"{' and '.join(missing)} must be set; `phasegate edge` prints those of the local edge"
        )


def _given(settings: Settings, role: TokenRole) -> bool:
    return bool(settings.token_for(role).get_secret_value())


async def _channels(settings: Settings, clock: Clock, stack: AsyncExitStack) -> Mapping[str, Channel]:
    client = await stack.enter_async_context(httpx.AsyncClient(verify=ssl_context()))
    channels: dict[str, Channel] = {
        name: WebhookChannel(name, address, client) for name, address in settings.channels.items()
    }
    log = _beside_ledger(settings) / "deployment.log"
    channels.setdefault(DEPLOYMENT_LOG, LogChannel(DEPLOYMENT_LOG, clock, path=log))
    return channels


def _beside_ledger(settings: Settings) -> Path:
    """Where files of ours belong: next to a SQLite ledger, else in the project."""
    if settings.ledger and "://" not in settings.ledger:
        return Path(settings.ledger).absolute().parent
    return settings.project / ".phasegate"


def read_plan(settings: Settings, name: str) -> RolloutPlan:
    """The plan called *name*, or the file of that path; raises PlanError."""
    return load_plan(name, search=settings.plan_places)


def known_plans(settings: Settings) -> tuple[str, ...]:
    """The names of every plan that can be read."""
    return plan_names(settings.plan_places)


async def settle_bundle(settings: Settings, path: str) -> str:
    """
    The path of a ready bundle: a Worker project at *path* is built and the build's path returned.

    Raises BundleError or SettingsError when it cannot be built.
    """
    from phasegate.adapters.worker_build import Environments, build_project, is_project  # noqa: PLC0415

    place = (settings.project / path).resolve()
    if not is_project(place):
        return path
    environments = Environments(settings.production_env, settings.staging_env)
    built = await build_project(place, kept_builds(settings), environments=environments)
    return str(built.path)


def kept_builds(settings: Settings) -> Path:
    """The directory that built bundles are kept in."""
    return (_beside_ledger(settings) / "bundles").resolve()


def read_bundle(settings: Settings, path: str) -> Bundle:
    """The bundle at *path*, relative to the project; raises BundleError."""
    return load_bundle(settings.project / path)


def plan_migration_files(settings: Settings, plan: RolloutPlan) -> tuple[Migration, ...]:
    """The project's migrations that *plan* names; none without a database. Raises Refused."""
    if plan.database is None:
        return ()
    return read_migrations(settings.project / plan.database.migrations, down=plan.database.down)
