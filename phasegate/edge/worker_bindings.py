"""The ``env`` a version's code sees: one attribute for each binding of its upload."""

from types import SimpleNamespace
from typing import Any

from phasegate.edge.worker_d1 import D1Connection, D1Database

KINDS = ("d1", "json", "plain_text", "secret_text", "version_metadata")


class Env:
    """The bindings of one version, as attributes; it prints their names, never their values."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)

    def __repr__(self) -> str:
        return f"Env({', '.join(sorted(self.__dict__))})"

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"no binding {name}; this version has {', '.join(sorted(self.__dict__)) or 'none'}"
        )


def env_of(bindings: list[dict[str, Any]], version: dict[str, str], d1: D1Connection) -> Env:
    """The bindings as uploaded, made usable. *version* has ``id``, ``tag`` and ``timestamp``."""
    return Env({binding["name"]: _value(binding, version, d1) for binding in bindings})


def _value(binding: dict[str, Any], version: dict[str, str], d1: D1Connection) -> Any:
    match binding["type"]:
        case "plain_text" | "secret_text":
            return binding["text"]
        case "json":
            return binding["json"]
        case "version_metadata":
            return SimpleNamespace(**version)
        case "d1":
            return D1Database(d1, binding.get("id") or binding["database_id"])
        case kind:
            raise ValueError(f"binding {binding['name']} has the type {kind}; known are {', '.join(KINDS)}")
