"""Static assets on disk: which files of a directory are served, by what path and type."""

import mimetypes
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from phasegate.domain.bundle import Asset
from phasegate.domain.errors import BundleError

MOST_FILES = 20_000
LARGEST = 25 * 1024 * 1024
IGNORE = ".assetsignore"
# What Cloudflare reads and does not serve.
_NEVER = (IGNORE, "_worker.js", ".wrangler", "node_modules", ".git", ".DS_Store")
_NOT_YET = ("_headers", "_redirects")


def read_assets(directory: Path) -> tuple[Asset, ...]:
    """
    The files of *directory* by the path they are served at.

    Raises BundleError for what phasegate cannot carry: links that lead elsewhere, files
    beyond Cloudflare's limits, ``_headers`` and ``_redirects``.
    """
    if not directory.is_dir():
        raise BundleError(f"{directory}: is no directory; build the static assets first")
    patterns = _ignored(directory / IGNORE)
    assets = tuple(_asset(file, directory) for file in _files(directory, patterns))
    if len(assets) > MOST_FILES:
        raise BundleError(f"{directory}: {len(assets)} files; Cloudflare takes at most {MOST_FILES}")
    return assets


def _files(directory: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    for file in sorted(directory.rglob("*")):
        name = file.relative_to(directory).as_posix()
        if file.is_dir() or any(part in _NEVER for part in Path(name).parts):
            continue
        if name in _NOT_YET:
            raise BundleError(f"{file}: phasegate does not carry {name}; answer with headers from the code")
        if not any(_matches(name, pattern) for pattern in patterns):
            yield file


def _ignored(file: Path) -> tuple[str, ...]:
    if not file.is_file():
        return ()
    lines = [line.strip() for line in file.read_text().splitlines()]
    patterns = tuple(line for line in lines if line and not line.startswith("#"))
    for pattern in patterns:
        if pattern.startswith("!"):
            raise BundleError(f"{file}: {pattern}: exceptions are not supported; name what is left out")
    return patterns


def _matches(name: str, pattern: str) -> bool:
    """As gitignore: a pattern with a slash is anchored, one without matches any part of the path."""
    wanted = pattern.strip("/")
    if "/" in pattern.rstrip("/"):
        return fnmatch(name, wanted) or fnmatch(name, f"{wanted}/*")
    return any(fnmatch(part, wanted) for part in Path(name).parts)


def _asset(file: Path, directory: Path) -> Asset:
    if not file.resolve().is_relative_to(directory.resolve()):
        raise BundleError(f"{file}: is a link that leads elsewhere; allowed are files inside {directory}")
    data = file.read_bytes()
    if len(data) > LARGEST:
        raise BundleError(f"{file}: is larger than {LARGEST // 1024 // 1024} MiB, the most Cloudflare takes")
    content_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return Asset(path=f"/{file.relative_to(directory).as_posix()}", content_type=content_type, data=data)
