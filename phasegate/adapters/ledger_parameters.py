"""The parameters of a Postgres URL, in libpq's words or the driver's, as the driver takes them."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import asyncpg  # type: ignore[import-untyped]

from phasegate.domain.errors import SettingsError

_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_BINDINGS = ("disable", "prefer", "require")
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
# The driver has no arguments for these, but reads them in a DSN.
_TLS = (*_FILES, "sslpassword", "sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version")
_WHOLE = (
    "statement_cache_size",
    "prepared_statement_cache_size",
    "max_cached_statement_lifetime",
    "max_cacheable_statement_size",
)
_SECONDS = {"connect_timeout": "timeout", "timeout": "timeout", "command_timeout": "command_timeout"}
_TRANSLATED = ("ssl", "sslmode", "channel_binding", "application_name", *_TLS, *_WHOLE, *_SECONDS)
# Objects, or what the ledger sets itself; a URL cannot carry them.
_NOT_IN_A_URL = {"dsn", "loop", "connection_class", "record_class", "server_settings", "direct_tls"}


@dataclass(frozen=True)
class Parameters:
    """
    What a URL asked for.

    *query* stays in the URL, *connect* are arguments of the driver, *seconds* limits by the
    name of the driver's argument, *application* is what the server shows of a connection.
    """

    query: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    connect: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    application: str = "phasegate"


def parameters(query: Mapping[str, str | Sequence[str]], *, name: str) -> Parameters:
    """
    Read the query of the URL of the ledger called *name*.

    Raises SettingsError that names a parameter which the driver does not take, or the
    parameter whose value it cannot use; a value is never repeated.
    """
    known = _known()
    for each in query:
        if each not in known:
            raise _unusable(name, each, "is not known", sorted(known))
    # Several hosts are written as several parameters.
    kept = {key: value for key, value in query.items() if key not in _TRANSLATED}
    asked = {key: _one(name, key, query[key]) for key in _TRANSLATED if key in query}
    _check(name, asked)
    if mode := asked.get("sslmode") or asked.get("ssl"):
        kept["ssl"] = mode
    return Parameters(
        query=kept,
        connect={**_dsn(asked), **{key: _whole(name, key, asked[key]) for key in _WHOLE if key in asked}},
        seconds={_SECONDS[key]: _number(name, key, asked[key]) for key in _SECONDS if key in asked},
        application=asked.get("application_name") or Parameters.application,
    )


def _known() -> frozenset[str]:
    own = frozenset(inspect.signature(asyncpg.connect).parameters) - _NOT_IN_A_URL
    return own | frozenset(_TRANSLATED)


def _check(name: str, asked: Mapping[str, str]) -> None:
    # The driver authenticates without channel binding, whatever is asked for; libpq would refuse to go on
    # without it under `require`. What it guards against, sslmode=verify-full guards against too.
    for key, allowed in (("ssl", _MODES), ("sslmode", _MODES), ("channel_binding", _BINDINGS)):
        if key in asked and asked[key] not in allowed:
            raise _unusable(name, key, "has a value that is not known", allowed)
    for key in _FILES:
        if key in asked and not Path(asked[key]).is_file():
            raise _unusable(name, key, "names no file", ["the path of a file"])


def _dsn(asked: Mapping[str, str]) -> dict[str, str]:
    tls = {key: asked[key] for key in _TLS if key in asked}
    return {"dsn": f"postgresql:///?{urlencode(tls)}"} if tls else {}


def _one(name: str, key: str, value: str | Sequence[str]) -> str:
    if not isinstance(value, str):
        raise _unusable(name, key, "is given more than once", ["one value"])
    return value


def _whole(name: str, key: str, value: str) -> int:
    if not value.isascii() or not value.isdigit():
        raise _unusable(name, key, "is no number", ["a whole number, 0 or more"])
    return int(value)


def _number(name: str, key: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise _unusable(name, key, "is no number", ["seconds"]) from None


def _unusable(name: str, key: str, what: str, allowed: Sequence[str]) -> SettingsError:
    return SettingsError(f"the ledger {name}: the parameter {key!r} {what}; allowed: {', '.join(allowed)}")
