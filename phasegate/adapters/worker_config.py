"""What a Worker project's own configuration says: ``wrangler.jsonc``, ``.json`` or ``.toml``."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phasegate.domain.errors import BundleError

NAMES = ("wrangler.jsonc", "wrangler.json", "wrangler.toml")
# Strings are matched first, so that what looks like a comment inside one stays.
_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[\]}])', re.DOTALL)
# Of the key ``assets``: what travels with the upload, as opposed to where the files are.
_ASSET_CONFIG = ("html_handling", "not_found_handling", "run_worker_first")


@dataclass(frozen=True)
class WorkerConfig:
    """A configuration file, read; ``environments`` are the names below its key ``env``."""

    path: Path
    told: Mapping[str, Any]

    @property
    def environments(self) -> tuple[str, ...]:
        """The named environments."""
        return tuple(self.told.get("env") or ())

    def assets(self, environment: str) -> "AssetsConfig | None":
        """The static assets of an environment, which inherits them unless it names its own."""
        own = self._environment(environment).get("assets")
        assets = own if own is not None else self.told.get("assets")
        if not isinstance(assets, Mapping) or not assets.get("directory"):
            return None
        directory = (self.path.parent / str(assets["directory"])).resolve()
        return AssetsConfig(directory, {key: assets[key] for key in _ASSET_CONFIG if key in assets})

    def _environment(self, name: str) -> Mapping[str, Any]:
        if not name:
            return {}
        found = (self.told.get("env") or {}).get(name)
        if not isinstance(found, Mapping):
            known = ", ".join(self.environments) or "none"
            raise BundleError(f"{self.path}: env.{name}: is not there; the environments are: {known}")
        return found


@dataclass(frozen=True)
class AssetsConfig:
    """Where the files are, and how they are to be served."""

    directory: Path
    config: Mapping[str, Any]


def find_config(project: Path) -> Path | None:
    """The configuration file of the project directory *project*, as wrangler would take it."""
    return next((project / name for name in NAMES if (project / name).is_file()), None)


def read_config(path: Path) -> WorkerConfig:
    """Read *path*. Raises BundleError with the place."""
    try:
        text = path.read_text()
        told = tomllib.loads(text) if path.suffix == ".toml" else json.loads(_plain_json(text))
    except OSError as fault:
        raise BundleError(f"{path}: cannot be read: {fault.strerror or fault}") from None
    except ValueError as fault:
        raise BundleError(f"{path}: is not {path.suffix[1:]}: {fault}") from None
    if not isinstance(told, dict) or not isinstance(told.get("env", {}), dict):
        raise BundleError(f"{path}: must be an object, and its env an object of environments")
    return WorkerConfig(path, told)


def _plain_json(text: str) -> str:
    """*text* without comments and trailing commas."""
    return _COMMA.sub(lambda each: each[1] or "", _COMMENT.sub(lambda each: each[1] or " ", text))
