"""What of an uploaded version this edge can run, and where its files lie."""

from pathlib import Path, PurePosixPath
from typing import Any

from phasegate.edge.model import VersionRecord
from phasegate.edge.worker_bindings import KINDS

PYTHON = "text/x-python"


class StartupFailed(Exception):
    """A version cannot run: its module throws, ends, or is of a kind this edge does not run."""


def write_modules(version: VersionRecord, root: Path) -> str:
    """
    Write the modules of *version* below *root*; the name of its main module.

    Raises StartupFailed for a name that would leave *root*, a main module that is
    missing or not Python, or a binding of an unknown kind.
    """
    main = _main_module(version)
    _check_bindings(version.bindings)
    for module in version.modules:
        path = root / _inside(module.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(module.data)
    return main


def _main_module(version: VersionRecord) -> str:
    name = version.metadata.get("main_module")
    kinds = {module.name: module.content_type.partition(";")[0].strip() for module in version.modules}
    if name not in kinds:
        raise StartupFailed(
            f"main_module {name!r} is not among the modules: {', '.join(sorted(kinds)) or 'none'}"
        )
    if kinds[name] != PYTHON:
        raise StartupFailed(f"main_module {name!r} is {kinds[name]}; this edge runs {PYTHON}")
    return str(name)


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise StartupFailed(f"module name {name!r} is not a relative path inside the bundle")
    return path


def _check_bindings(bindings: tuple[dict[str, Any], ...]) -> None:
    for binding in bindings:
        name, kind = binding.get("name"), binding.get("type")
        if not isinstance(name, str) or kind not in KINDS:
            raise StartupFailed(f"binding {name!r} has the type {kind!r}; this edge has {', '.join(KINDS)}")
        if not any(key in binding for key in _VALUE_KEYS[kind]):
            raise StartupFailed(f"binding {name!r} of the type {kind} lacks {' or '.join(_VALUE_KEYS[kind])}")


_VALUE_KEYS = {
    "d1": ("id", "database_id"),
    "json": ("json",),
    "plain_text": ("text",),
    "secret_text": ("text",),
    "version_metadata": ("name",),
}
