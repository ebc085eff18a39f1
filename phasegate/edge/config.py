"""What a local edge is asked to be."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from phasegate.edge.auth import ALL_PERMISSIONS, Permission, RateLimit
from phasegate.edge.routing import SplitMode

_ACCOUNT = re.compile(r"[0-9a-f]{32}")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_MAX_LAG = timedelta(hours=1)


def _one_full_token() -> Mapping[str, frozenset[Permission]]:
    return {secrets.token_urlsafe(30): ALL_PERMISSIONS}


class ConfigError(ValueError):
    """The edge cannot be what was asked; the text names the field and what is allowed."""


@dataclass(frozen=True)
class EdgeConfig:
    """
    Everything that may be chosen about an edge; a port of 0 means a free one.

    Without a *directory* the edge forgets everything when it closes. *telemetry_lag* is how old an
    event must be to show in queries (Cloudflare's GraphQL: one to two minutes); *graphql_lag* is the same
    for GraphQL and follows it when ``None``. One event in *sampling* is kept. *rate_limit* ``None`` is no
    limit. *workerd* runs versions in JavaScript; ``None`` is the one that `find_workerd` finds.
    At most *max_live* versions have a process; others sleep until a request wakes them.
    """

    host: str = "127.0.0.1"
    api_port: int = 0
    front_port: int = 0
    account_id: str = field(default_factory=lambda: secrets.token_hex(16))
    subdomain: str = "local"
    tokens: Mapping[str, frozenset[Permission]] = field(default_factory=_one_full_token, repr=False)
    directory: Path | None = None
    telemetry_lag: timedelta = timedelta(0)
    graphql_lag: timedelta | None = None
    sampling: float = 1.0
    rate_limit: RateLimit | None = field(default_factory=RateLimit)
    split_mode: SplitMode = SplitMode.SMOOTH
    max_live: int = 12
    workerd: Path | None = None
    drain_limit: timedelta = timedelta(seconds=30)

    def __post_init__(self) -> None:
        _check(bool(_ACCOUNT.fullmatch(self.account_id)), "account_id", "32 lower-case hex digits")
        _check(bool(_LABEL.fullmatch(self.subdomain)), "subdomain", "one DNS label")
        _check(bool(self.tokens) and all(self.tokens), "tokens", "at least one, none empty")
        _check(self.sampling >= 1.0, "sampling", "1 (every event) or more")
        for name in ("telemetry_lag", "graphql_lag"):
            lag = getattr(self, name) or timedelta(0)
            _check(timedelta(0) <= lag <= _MAX_LAG, name, "between zero and one hour")
        for name in ("api_port", "front_port"):
            _check(0 <= getattr(self, name) < 65536, name, "a port, or 0 for a free one")


def _check(good: bool, name: str, allowed: str) -> None:
    if not good:
        raise ConfigError(f"the edge's {name} must be {allowed}")
