"""
Whether each token may do what it is for, and no more: one harmless question per permission.

Reading permissions are asked by reading. A write permission is asked with a write that can have no
effect (a Worker or database that does not exist, an empty body): Cloudflare checks the token first, so
403 says that it may not, and any other refusal that it may.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from phasegate.adapters.cloudflare.client import CloudflareClient, script_path
from phasegate.adapters.cloudflare.envelope import Rejected
from phasegate.adapters.cloudflare.queries import PATH, Window, question
from phasegate.adapters.cloudflare.roles import (
    ANALYTICS,
    D1_READ,
    D1_WRITE,
    NEEDED,
    OBSERVABILITY,
    SCRIPTS_READ,
    SCRIPTS_WRITE,
    variable,
)
from phasegate.domain.errors import Away, SettingsError
from phasegate.settings import Settings, TokenRole

NOBODY = "phasegate-permission-check"
_NO_DATABASE = "00000000-0000-0000-0000-000000000000"
_ANALYTICS = """
query Check($account: String!, $from: Time!) { viewer { accounts(filter: {accountTag: $account}) {
  workersInvocationsAdaptive(limit: 1, filter: {scriptName: "%s", datetime_geq: $from}) { sum { requests } }
} } }
"""
_TOO_MUCH = {TokenRole.READER: (SCRIPTS_WRITE, D1_WRITE), TokenRole.ROLLOUT: (D1_WRITE,)}


class Permitted(StrEnum):
    """How one permission stands."""

    OK = "ok"
    MISSING = "missing"
    WARNING = "warning"


@dataclass(frozen=True)
class PermissionCheck:
    """One row of the report: which permission of which token, how it stands, and what to do about it."""

    name: str
    status: Permitted
    detail: str
    next: str = ""


async def check_permissions(settings: Settings) -> tuple[PermissionCheck, ...]:
    """
    Ask for every permission of the three roles.

    A permission too many, one token for everything, and a platform that does not answer are
    warnings. Never raises for what Cloudflare answers; SettingsError for an address, an
    account or a token that cannot be right.
    """
    rows: list[PermissionCheck] = []
    for role in TokenRole:
        token = settings.token_for(role)
        if not token.get_secret_value():
            rows.append(_unset(role))
            continue
        client = CloudflareClient(
            settings.api_url, settings.account_id, token, timeout=settings.api_timeout, budget=5.0
        )
        try:
            rows += [await _needed(client, role, name) for name in NEEDED[role]]
            rows += [row for name in _excess(settings, role) if (row := await _too_much(client, role, name))]
        finally:
            await client.close()
    return (*rows, *_shared(settings))


def _unset(role: TokenRole) -> PermissionCheck:
    status = Permitted.WARNING if role is TokenRole.MIGRATE else Permitted.MISSING
    why = "no token is set" + ("; it is needed for migrations only" if role is TokenRole.MIGRATE else "")
    return PermissionCheck(str(role), status, why, f"set {variable(role)}, or PHASEGATE_TOKEN for all roles")


async def _needed(client: CloudflareClient, role: TokenRole, name: str) -> PermissionCheck:
    label = f"{role}: {name}"
    try:
        refusal = await _refused(client, name)
    except Away as away:
        return PermissionCheck(label, Permitted.WARNING, f"could not be asked: {away}", "try again")
    if not refusal:
        return PermissionCheck(label, Permitted.OK, "granted")
    return PermissionCheck(label, Permitted.MISSING, refusal, f"add {name} to {variable(role)}'s token")


def _excess(settings: Settings, role: TokenRole) -> tuple[str, ...]:
    """One token for everything is said once, not for each permission that a role has too many."""
    own: str = getattr(settings, f"token_{role}").get_secret_value()
    return _TOO_MUCH.get(role, ()) if own else ()


async def _too_much(client: CloudflareClient, role: TokenRole, name: str) -> PermissionCheck | None:
    try:
        if await _refused(client, name):
            return None
    except Away:
        return None
    detail = f"the {role} token has it and does not need it"
    return PermissionCheck(
        f"{role}: {name}", Permitted.WARNING, detail, f"remove it from {variable(role)}'s token"
    )


def _shared(settings: Settings) -> tuple[PermissionCheck, ...]:
    tokens = [settings.token_for(role).get_secret_value() for role in TokenRole]
    if len(set(tokens)) == len(tokens) or not any(tokens):
        return ()
    detail = "several roles use the same token: what only watches could also deploy"
    todo = f"make one token for each of {', '.join(variable(role) for role in TokenRole)}"
    return (PermissionCheck("tokens", Permitted.WARNING, detail, todo),)


async def _refused(client: CloudflareClient, name: str) -> str:
    """Why the token may not, empty when it may. Raises Away."""
    try:
        await _ASK[name](client)
    except Rejected:
        # Understood and refused for another reason: the token got past.
        return ""
    except SettingsError as refusal:
        return str(refusal)
    return ""


async def _scripts(client: CloudflareClient) -> None:
    await client.read("workers/scripts")


async def _deploy_nothing(client: CloudflareClient) -> None:
    await client.write("POST", script_path(NOBODY, "deployments"), json={})


async def _telemetry(client: CloudflareClient) -> None:
    now = datetime.now(UTC)
    await client.ask(PATH, question(Window(NOBODY, now - timedelta(seconds=1), now)))


async def _analytics(client: CloudflareClient) -> None:
    since = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    await client.query(_ANALYTICS % NOBODY, {"account": client.account_id, "from": since})


async def _databases(client: CloudflareClient) -> None:
    await client.read("d1/database", params={"per_page": "10"})


async def _query_nothing(client: CloudflareClient) -> None:
    await client.write("POST", f"d1/database/{_NO_DATABASE}/query", json={"sql": "SELECT 1"})


_ASK: Mapping[str, Callable[[CloudflareClient], Awaitable[None]]] = {
    SCRIPTS_READ: _scripts,
    SCRIPTS_WRITE: _deploy_nothing,
    OBSERVABILITY: _telemetry,
    ANALYTICS: _analytics,
    D1_READ: _databases,
    D1_WRITE: _query_nothing,
}
