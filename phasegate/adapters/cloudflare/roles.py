"""What each of the three tokens is for, and the permissions on the account that it needs."""

from collections.abc import Iterable, Mapping

from phasegate.domain.errors import SettingsError
from phasegate.settings import TokenRole

SCRIPTS_READ = "Workers Scripts Read"
SCRIPTS_WRITE = "Workers Scripts Write"
OBSERVABILITY = "Workers Observability Write"
ANALYTICS = "Account Analytics Read"
D1_READ = "D1 Read"
D1_WRITE = "D1 Write"

_API_KEYS = ("CLOUDFLARE_API_KEY", "CLOUDFLARE_EMAIL", "CF_API_KEY", "CF_EMAIL")
NEEDED = {
    TokenRole.READER: (SCRIPTS_READ, OBSERVABILITY, ANALYTICS, D1_READ),
    TokenRole.ROLLOUT: (SCRIPTS_WRITE,),
    TokenRole.MIGRATE: (D1_WRITE,),
}


def needs(roles: Iterable[TokenRole]) -> str:
    """What a token with *roles* needs, in words for whoever has to make it."""
    parts = [f"{variable(role)} needs {', '.join(NEEDED[role])}" for role in roles]
    return f"{'; '.join(parts)} on this account (PHASEGATE_TOKEN stands for those that are not set)"


def refuse_api_keys(environment: Mapping[str, str]) -> None:
    """
    Raise SettingsError when *environment* holds a global API key.

    Such a key may do everything the person may, cannot be limited to a role, and is
    printed by some tools where a token is not.
    """
    found = [name for name in _API_KEYS if environment.get(name)]
    if found:
        raise SettingsError(
            f"{' and '.join(found)} set: authentication by a global API key is refused. Use API tokens: "
            f"unset {'it' if len(found) == 1 else 'them'}, and set PHASEGATE_TOKEN_READER, "
            "PHASEGATE_TOKEN_ROLLOUT and PHASEGATE_TOKEN_MIGRATE, or PHASEGATE_TOKEN for all three"
        )


def variable(role: TokenRole) -> str:
    """The environment variable of *role*'s token."""
    return f"PHASEGATE_TOKEN_{role.upper()}"
