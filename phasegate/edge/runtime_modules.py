"""What of an uploaded version this edge can run, and where its files lie."""

from collections.abc import Collection
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

from phasegate.edge import worker_bindings, workerd_config
from phasegate.edge.model import VersionRecord

PYTHON = "text/x-python"
JAVASCRIPT = "application/javascript+module"


class StartupFailed(Exception):
    """A version cannot run: its module throws, ends, or is of a kind this edge does not run."""


class Language(StrEnum):
    """What a version's main module is written in, which decides what runs it."""

    PYTHON = "python"
    JAVASCRIPT = "javascript"


_LANGUAGES = {
    PYTHON: Language.PYTHON,
    JAVASCRIPT: Language.JAVASCRIPT,
    "text/javascript": Language.JAVASCRIPT,
}
_BINDINGS = {Language.PYTHON: worker_bindings.KINDS, Language.JAVASCRIPT: workerd_config.KINDS}
_VALUE_KEYS = {
    "assets": ("name",),
    "d1": ("id", "database_id"),
    "json": ("json",),
    "plain_text": ("text",),
    "secret_text": ("text",),
    "version_metadata": ("name",),
}


def main_module(version: VersionRecord) -> tuple[str, Language]:
    """The name and the language of the main module. Raises StartupFailed when it cannot run here."""
    name = version.metadata.get("main_module")
    kinds = {module.name: module.content_type.partition(";")[0].strip() for module in version.modules}
    if name not in kinds:
        raise StartupFailed(
            f"main_module {name!r} is not among the modules: {', '.join(sorted(kinds)) or 'none'}"
        )
    if kinds[name] not in _LANGUAGES:
        allowed = " and ".join((PYTHON, JAVASCRIPT))
        raise StartupFailed(f"main_module {name!r} is {kinds[name]}; this edge runs {allowed}")
    return str(name), _LANGUAGES[kinds[name]]


def write_modules(version: VersionRecord, language: Language, root: Path) -> None:
    """
    Write the modules of *version* below *root*.

    Raises StartupFailed for a name that would leave *root*, a module that its runtime
    does not know, or a binding of an unknown kind.
    """
    _check_bindings(version.bindings, allowed=_BINDINGS[language])
    if language is Language.JAVASCRIPT:
        _check_kinds(version)
    elif version.metadata.get("assets"):
        raise StartupFailed("static assets are served here beside a main module in JavaScript only")
    for module in version.modules:
        path = root / _inside(module.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(module.data)


def _check_kinds(version: VersionRecord) -> None:
    allowed = (*workerd_config.MODULE_KINDS, *workerd_config.UNUSED)
    for module in version.modules:
        kind = module.content_type.partition(";")[0].strip()
        if kind not in allowed:
            raise StartupFailed(f"module {module.name!r} is {kind}; allowed: {', '.join(sorted(allowed))}")


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise StartupFailed(f"module name {name!r} is not a relative path inside the bundle")
    return path


def _check_bindings(bindings: tuple[dict[str, Any], ...], *, allowed: Collection[str]) -> None:
    for binding in bindings:
        name, kind = binding.get("name"), str(binding.get("type"))
        if not isinstance(name, str) or kind not in allowed:
            raise StartupFailed(f"binding {name!r} has the type {kind!r}; this edge has {', '.join(allowed)}")
        if not any(key in binding for key in _VALUE_KEYS[kind]):
            raise StartupFailed(f"binding {name!r} of the type {kind} lacks {' or '.join(_VALUE_KEYS[kind])}")
