"""What this installation has and what it lacks: one row for each thing a release needs."""

import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Protocol

from packaging.requirements import Requirement

from phasegate.adapters.cloudflare import CloudflareClient
from phasegate.adapters.cloudflare.permissions import check_permissions
from phasegate.adapters.cloudflare.roles import refuse_api_keys
from phasegate.adapters.prefect_api import Missing, PrefectApi
from phasegate.adapters.toolchain import GET_NODE, GET_WRANGLER, find_node, find_wrangler
from phasegate.domain.errors import PhasegateError, SettingsError
from phasegate.edge.workerd import HOW_TO_GET_IT, find_workerd
from phasegate.settings import Settings, TokenRole
from phasegate.wiring import DEPLOYMENT_LOG, known_plans, named_ledger, read_plan

# Their versions are pinned for a reason, and a wrong one fails silently: see pyproject.toml.
PINNED = ("prefect", "fastapi", "sqlalchemy")
KEEPER_IDLE = timedelta(seconds=30)
BUDGET = 5.0


class Health(StrEnum):
    """How one thing stands; only what is missing makes a release impossible."""

    OK = "ok"
    MISSING = "missing"
    WARNING = "warning"


class Row(Protocol):
    """What every check answers with; `next` says what to do, and is empty when all is well."""

    @property
    def name(self) -> str:
        """What was looked at."""

    @property
    def status(self) -> StrEnum:
        """``ok``, ``missing`` or ``warning``."""

    @property
    def detail(self) -> str:
        """What was found."""

    @property
    def next(self) -> str:
        """What to do about it."""


@dataclass(frozen=True)
class Check:
    """One row."""

    name: str
    status: Health
    detail: str
    next: str = ""


Looking = Callable[[Settings], Awaitable[Sequence[Row]]]


async def examine(settings: Settings) -> tuple[Row, ...]:
    """Look at everything, each thing within seconds; what fails is a row and never an exception."""
    rows: list[Row] = []
    for look in LOOKS:
        rows += await look(settings)
    return tuple(rows)


async def _programs(settings: Settings) -> Sequence[Row]:
    python = ".".join(map(str, sys.version_info[:3]))
    return (Check("Python", Health.OK, python), *map(_pinned, PINNED), *_workers(settings.project.resolve()))


def _pinned(package: str) -> Check:
    version = metadata.version(package)
    wanted = [Requirement(text) for text in metadata.requires("phasegate") or ()]
    for requirement in wanted:
        if requirement.name == package and not requirement.specifier.contains(version):
            todo = "install phasegate from its lock file: `make install`"
            return Check(package, Health.MISSING, f"{version}, and {requirement.specifier} is needed", todo)
    return Check(package, Health.OK, version)


def _workers(project: Path) -> tuple[Check, ...]:
    """What builds and runs Workers in JavaScript; a ready bundle is released without it."""
    workerd = find_workerd()
    runs = (
        Check("workerd", Health.OK, str(workerd))
        if workerd
        else Check("workerd", Health.WARNING, "none: the local edge runs no JavaScript", HOW_TO_GET_IT)
    )
    try:
        wrangler = find_wrangler(project)
    except PhasegateError:
        lacks = "none: no Worker project can be built here"
        return Check("wrangler", Health.WARNING, lacks, GET_WRANGLER), runs
    built = Check("wrangler", Health.OK, f"{wrangler.version}, {wrangler.script}")
    try:
        node = find_node(needs=wrangler.needs)
    except PhasegateError as lacking:
        return Check("Node", Health.WARNING, str(lacking).partition(":")[0], GET_NODE), built, runs
    return Check("Node", Health.OK, f"{node.version}, {node.program}"), built, runs


async def _prefect(settings: Settings) -> Sequence[Row]:
    try:
        api = PrefectApi(settings.prefect_api_url, auth=settings.prefect_auth, timeout=BUDGET)
    except PhasegateError as wrong:
        return (Check("Prefect API", Health.MISSING, str(wrong), "set PHASEGATE_PREFECT_API_URL"),)
    try:
        return (
            Check("Prefect API", Health.OK, settings.prefect_api_url),
            *[
                await _deployment(api, name)
                for name in (settings.release_deployment, settings.rollback_deployment)
            ],
        )
    except SettingsError as refused:
        return (Check("Prefect API", Health.MISSING, str(refused), "set PHASEGATE_PREFECT_AUTH"),)
    except PhasegateError as away:
        todo = "start it (`prefect server start`), or set PHASEGATE_PREFECT_API_URL"
        return (Check("Prefect API", Health.MISSING, str(away), todo),)
    finally:
        await api.aclose()


async def _deployment(api: PrefectApi, name: str) -> Check:
    """Asked for with the credentials: the server tells everybody whether it is healthy."""
    title = f"deployment {name}"
    try:
        found = await api.get(f"/deployments/name/{name}")
    except Missing:
        todo = "run `prefect --no-prompt deploy --all` where this project is"
        return Check(title, Health.MISSING, f"Prefect at {api.url} has none of this name", todo)
    if found.get("paused"):
        return Check(title, Health.WARNING, "paused: its runs do not start", "resume it in the Prefect UI")
    return Check(title, Health.OK, str(found.get("work_pool_name") or "no work pool"))


async def _ledger(settings: Settings) -> Sequence[Row]:
    ledger = named_ledger(settings)
    try:
        if not await ledger.present():
            none = Check(
                "ledger", Health.WARNING, f"none yet at {ledger.name}", "the first release creates it"
            )
            return none, _keeper(None)
        seen = await ledger.last_beat()
    except (PhasegateError, OSError) as fault:
        return (Check("ledger", Health.MISSING, str(fault), "set PHASEGATE_LEDGER to a file or a URL"),)
    finally:
        await ledger.close()
    return Check("ledger", Health.OK, ledger.name), _keeper(seen)


def _keeper(seen: datetime | None) -> Check:
    todo = "start `phasegate keeper`; without one no release goes past 0 %"
    if seen is None:
        return Check("keeper", Health.MISSING, "none was ever seen", todo)
    age = datetime.now(UTC) - seen
    detail = f"last seen {age.total_seconds():.0f} s ago"
    if age > KEEPER_IDLE:
        return Check("keeper", Health.MISSING, detail, todo)
    return Check("keeper", Health.OK, detail)


async def _cloudflare(settings: Settings) -> Sequence[Row]:
    token = settings.token_for(TokenRole.READER)
    unset = [
        name
        for name, value in (("ACCOUNT_ID", settings.account_id), ("TOKEN", token.get_secret_value()))
        if not value
    ]
    if unset:
        names = " and ".join(f"PHASEGATE_{name}" for name in unset)
        todo = f"set {names}; `phasegate edge` prints those of the local edge"
        return (Check("Cloudflare API", Health.MISSING, f"{names} not set", todo),)
    try:
        refuse_api_keys(os.environ)
        client = CloudflareClient(settings.api_url, settings.account_id, token, timeout=BUDGET, budget=BUDGET)
        try:
            await client.read("workers/scripts")
        finally:
            await client.close()
    except PhasegateError as fault:
        return (Check("Cloudflare API", Health.MISSING, str(fault), "check address, account and token"),)
    return Check("Cloudflare API", Health.OK, settings.api_url), *await check_permissions(settings)


async def _channels(settings: Settings) -> Sequence[Row]:
    """A channel that a plan names and nobody configured tells nobody, which is found out in the night."""
    lacking: dict[str, list[str]] = {}
    for name in known_plans(settings):
        try:
            plan = read_plan(settings, name)
        except PhasegateError as wrong:
            return (Check("channels", Health.WARNING, f"plan {name!r} cannot be read: {wrong}", "mend it"),)
        for channel in plan.told:
            if channel != DEPLOYMENT_LOG and channel not in settings.channels:
                lacking.setdefault(channel, []).append(name)
    if not lacking:
        return (Check("channels", Health.OK, "every channel that a plan names is configured"),)
    detail = "not configured, so nobody is told that way: " + ", ".join(
        f"{channel} ({', '.join(plans)})" for channel, plans in sorted(lacking.items())
    )
    todo = """set PHASEGATE_CHANNELS='{"slack:#eng-alerts": "https://hooks.slack.com/…", …}'"""
    return (Check("channels", Health.WARNING, detail, todo),)


LOOKS: tuple[Looking, ...] = (_programs, _prefect, _ledger, _cloudflare, _channels)
