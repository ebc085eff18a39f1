"""
Bundles on disk.

A *bundle directory* holds ``metadata.json`` (Cloudflare's upload metadata for
production), optionally ``metadata.staging.json`` (what differs in staging) and
``modules/`` with the files as they are imported. A *bundle file* is the multipart
body that ``wrangler versions upload --dry-run --outfile <file>`` writes; staging's
differences are in ``<file>.staging.json`` next to it. Only bindings may differ.
Static assets lie in ``assets/``, or in ``<file>.assets/``, and ``assets.config`` of the
metadata (``<file>.assets.json``) says how they are served.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from phasegate.adapters.bundle_assets import read_assets
from phasegate.adapters.bundle_multipart import parse_multipart
from phasegate.domain.bundle import Asset, Bundle, Module
from phasegate.domain.errors import BundleError
from phasegate.domain.plan import Environment

LARGEST = 64 * 1024 * 1024
MOST_MODULES = 1000
CONTENT_TYPES = {
    ".py": "text/x-python",
    ".js": "application/javascript+module",
    ".mjs": "application/javascript+module",
    ".wasm": "application/wasm",
    ".map": "application/source-map",
    ".txt": "text/plain",
    ".html": "text/html",
    ".bin": "application/octet-stream",
}
_MAY_DIFFER = frozenset({"bindings"})


def load_bundle(path: Path) -> Bundle:
    """
    Read the bundle directory or bundle file at *path*.

    Raises BundleError with the place and what is allowed. No text of it shows a
    binding's value.
    """
    try:
        return _from_directory(path) if path.is_dir() else _from_file(path)
    except OSError as fault:
        raise BundleError(f"{fault.filename or path}: cannot be read: {fault.strerror or fault}") from None


def _from_directory(path: Path) -> Bundle:
    production = _metadata(_read(path / "metadata.json"), place=path / "metadata.json")
    modules = tuple(_modules(path / "modules"))
    staging = path / "metadata.staging.json"
    assets = _assets(production, path / "assets", place=path / "metadata.json")
    return _bundle(modules, production, place=path / "metadata.json", staging=staging, assets=assets)


def _from_file(path: Path) -> Bundle:
    head, modules = parse_multipart(_read(path), place=str(path))
    _refuse_many(len(modules), place=path)
    staging = path.with_name(f"{path.name}.staging.json")
    production = _metadata(head, place=path)
    config = path.with_name(f"{path.name}.assets.json")
    if config.exists():
        production["assets"] = {"config": _metadata(_read(config), place=config)}
    assets = _assets(production, path.with_name(f"{path.name}.assets"), place=path)
    return _bundle(modules, production, place=path, staging=staging, assets=assets)


def _assets(production: dict[str, Any], directory: Path, *, place: Path) -> tuple[Asset, ...]:
    """The files that the metadata's ``assets`` are about; a token in it was for one upload only."""
    told = production.get("assets")
    if told is None:
        return ()
    if not directory.is_dir():
        raise BundleError(f"{place}: assets: the files are missing; they belong into {directory}")
    production["assets"] = {"config": dict(told.get("config") or {})}
    return read_assets(directory)


def _bundle(
    modules: tuple[Module, ...],
    production: dict[str, Any],
    *,
    place: Path,
    staging: Path,
    assets: tuple[Asset, ...],
) -> Bundle:
    _refuse_missing_main(production, modules, place=place)
    metadata = {Environment.PRODUCTION: production}
    metadata[Environment.STAGING] = _staging(production, staging) if staging.exists() else production
    return Bundle(modules=modules, metadata=metadata, assets=assets)


def _staging(production: dict[str, Any], place: Path) -> dict[str, Any]:
    own = _metadata(_read(place), place=place)
    other = sorted(key for key in own if key not in _MAY_DIFFER and own[key] != production.get(key))
    if other:
        raise BundleError(
            f"{place}: {', '.join(other)}: differs from production; staging proves nothing about another "
            f"build, so only {', '.join(sorted(_MAY_DIFFER))} may differ"
        )
    return {**production, **own}


def _metadata(text: bytes, *, place: Path) -> dict[str, Any]:
    try:
        metadata = json.loads(text)
    except ValueError as fault:
        raise BundleError(f"{place}: the metadata is not JSON: {fault}") from None
    if not isinstance(metadata, dict):
        raise BundleError(f"{place}: the metadata must be a JSON object, as Cloudflare's upload takes it")
    for key, shape in (("bindings", list), ("annotations", dict)):
        if not isinstance(metadata.get(key, shape()), shape):
            raise BundleError(f"{place}: {key}: must be a JSON {'array' if shape is list else 'object'}")
    if not all(isinstance(binding, dict) for binding in metadata.get("bindings", ())):
        raise BundleError(f"{place}: bindings: each must be a JSON object with type and name")
    return metadata


def _refuse_missing_main(metadata: dict[str, Any], modules: tuple[Module, ...], *, place: Path) -> None:
    main, names = metadata.get("main_module"), sorted(module.name for module in modules)
    if main not in names:
        shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
        raise BundleError(f"{place}: main_module: {main!r} is no module; the modules are {shown or 'none'}")


def _modules(root: Path) -> Iterator[Module]:
    if not root.is_dir():
        raise BundleError(f"{root}: is missing; a bundle directory holds metadata.json and modules/")
    files = sorted(each for each in root.rglob("*") if each.is_symlink() or not each.is_dir())
    _refuse_many(len(files), place=root)
    left = LARGEST
    for file in files:
        name = file.relative_to(root).as_posix()
        _refuse_escape(file, root)
        data = _read(file, limit=left)
        left -= len(data)
        yield Module(name=name, content_type=_content_type(file), data=data)


def _refuse_escape(file: Path, root: Path) -> None:
    if not file.resolve().is_relative_to(root.resolve()) or file.is_dir():
        raise BundleError(f"{file}: is a link that leads elsewhere; allowed are links to files inside {root}")


def _refuse_many(count: int, *, place: Path) -> None:
    if count > MOST_MODULES:
        raise BundleError(f"{place}: {count} modules; at most {MOST_MODULES} are allowed")


def _content_type(file: Path) -> str:
    try:
        return CONTENT_TYPES[file.suffix]
    except KeyError:
        allowed = ", ".join(sorted(CONTENT_TYPES))
        raise BundleError(
            f"{file}: no module has the suffix {file.suffix!r}; allowed are {allowed}"
        ) from None


def _read(file: Path, *, limit: int = LARGEST) -> bytes:
    with file.open("rb") as source:
        data = source.read(limit + 1)
    if len(data) > limit:
        raise BundleError(
            f"{file}: the bundle is larger than {LARGEST // 1024 // 1024} MiB, the most allowed"
        )
    return data
