"""
Builds a Worker project with the real ``wrangler``, without credentials.

``wrangler versions upload --dry-run --outfile`` makes no HTTP call and writes the multipart body of the
upload. It runs with an allow-list of our environment, no token and a home of its own, because it runs
the project's code. The body is kept under its digest, and those bytes go to staging and to production.
"""

import asyncio
import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from phasegate.adapters.bundle_assets import read_assets
from phasegate.adapters.bundle_files import load_bundle
from phasegate.adapters.bundle_multipart import parse_multipart
from phasegate.adapters.program import run_program
from phasegate.adapters.toolchain import Node, Wrangler, find_node, find_wrangler
from phasegate.adapters.worker_config import AssetsConfig, WorkerConfig, find_config, read_config
from phasegate.domain.bundle import Asset, Bundle
from phasegate.domain.errors import BundleError, SettingsError

BUILD_LIMIT = 180.0
LONGEST_TAG = 100


@dataclass(frozen=True)
class Environments:
    """The names of wrangler's environments; production is usually the top level, which has the name ""."""

    production: str = ""
    staging: str = "staging"


@dataclass(frozen=True)
class Built:
    """A kept build: the bundle file, what it holds, and the SHA-256 of the body as wrangler wrote it."""

    path: Path
    bundle: Bundle
    body_digest: str
    wrangler: str
    node: str


def is_project(path: Path) -> bool:
    """Whether *path* is a Worker project: a directory with a wrangler configuration."""
    return path.is_dir() and not (path / "metadata.json").exists() and find_config(path) is not None


async def build_project(
    project: Path, kept: Path, *, environments: Environments | None = None, tag: str = "", message: str = ""
) -> Built:
    """
    Build *project* for both environments and keep the result in the directory *kept*.

    Without *tag*, the version of ``package.json`` is the tag. Raises SettingsError when
    Node or wrangler is missing, BundleError with wrangler's own words when the build
    fails, and when staging's modules are not those of production.
    """
    environments = environments or Environments()
    config = _config(project)
    assets = _shared_assets(config, environments)
    wrangler = find_wrangler(project)
    node = find_node(needs=wrangler.needs)
    options = _options(tag or _own_version(project), message)
    with tempfile.TemporaryDirectory(prefix="phasegate-build-") as scratch:
        run = _Run(node, wrangler, config, Path(scratch), options)
        production = await run.form(environments.production)
        staging = await run.form(environments.staging)
        _refuse_difference(production, staging, place=config.path)
        built = await asyncio.to_thread(_keep, kept, production, staging, assets)
    # Of what is kept: an earlier build of equal contents has another boundary.
    digest = hashlib.sha256(built.read_bytes()).hexdigest()
    _record(built, project, wrangler=wrangler, node=node, body_digest=digest)
    return Built(built, load_bundle(built), digest, wrangler.version, node.version)


def _config(project: Path) -> WorkerConfig:
    path = find_config(project)
    if path is None:
        raise BundleError(f"{project}: is no Worker project: there is no wrangler.jsonc, .json or .toml")
    return read_config(path)


def _shared_assets(config: WorkerConfig, environments: Environments) -> AssetsConfig | None:
    """The static assets, which must be the same for both environments, as the modules must."""
    production, staging = config.assets(environments.production), config.assets(environments.staging)
    if production != staging:
        raise BundleError(
            f"{config.path}: assets: staging's differ from production's; staging proves nothing about others"
        )
    if production is not None:
        # Found now, and not after two builds.
        read_assets(production.directory)
    return production


def _options(tag: str, message: str) -> tuple[str, ...]:
    given = (("--tag", tag), ("--message", message))
    return tuple(word for option, value in given if value for word in (option, value))


def _own_version(project: Path) -> str:
    try:
        told = json.loads((project / "package.json").read_text())
    except (OSError, ValueError):
        return ""
    return str(told.get("version") or "")[:LONGEST_TAG] if isinstance(told, dict) else ""


@dataclass(frozen=True)
class _Run:
    """One build: the same tools, options and throwaway home for both environments."""

    node: Node
    wrangler: Wrangler
    config: WorkerConfig
    scratch: Path
    options: tuple[str, ...]

    async def form(self, environment: str) -> bytes:
        """The multipart body that an upload to *environment* would send."""
        out = self.scratch / f"{environment or 'production'}.form"
        home = self.scratch / "home"
        home.mkdir(exist_ok=True)
        command = (
            *(str(self.node.program), str(self.wrangler.script), "versions", "upload", "--dry-run"),
            # Without --config, a file that a framework's plugin left behind would redirect the build.
            *("--config", str(self.config.path), f"--env={environment}", "--env-file", "/dev/null"),
            *("--outfile", str(out), *self.options),
        )
        extra = _environment(home)
        try:
            ran = await run_program(command, extra_env=extra, cwd=self.config.path.parent, limit=BUILD_LIMIT)
        except OSError as fault:
            raise SettingsError(f"{self.node.program}: cannot be started: {fault}") from None
        if ran.code != 0 or not out.is_file():
            why = f"no end after {BUILD_LIMIT:.0f} s" if ran.killed else _words(ran.err) or _words(ran.out)
            raise BundleError(
                f"{self.config.path.parent}: wrangler {self.wrangler.version} could not build "
                f"{'env ' + environment if environment else 'the top level'}: {why}"
            )
        return out.read_bytes()


def _environment(home: Path) -> dict[str, str]:
    return {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "WRANGLER_SEND_METRICS": "false",
        "WRANGLER_WRITE_LOGS": "false",
        "WRANGLER_LOG_PATH": str(home / "logs"),
        "WRANGLER_HIDE_BANNER": "true",
        "DO_NOT_TRACK": "1",
        "NO_COLOR": "1",
        "CI": "1",
    }


def _words(output: str) -> str:
    """The error that wrangler printed, without its decoration and advice."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [number for number, line in enumerate(lines) if "ERROR" in line]
    said = lines[errors[0] : errors[0] + 4] if errors else lines[-3:]
    return " ".join(said)[:600]


def _refuse_difference(production: bytes, staging: bytes, *, place: Path) -> None:
    modules = [
        {(m.name, m.content_type): m.data for m in parse_multipart(form, place=str(place))[1]}
        for form in (production, staging)
    ]
    differing = sorted(
        name
        for name, kind in modules[0].keys() | modules[1].keys()
        if modules[0].get((name, kind)) != modules[1].get((name, kind))
    )
    if differing:
        raise BundleError(
            f"{place}: {', '.join(differing)}: staging's build differs from production's, so staging would "
            "prove nothing; take `define`, `main` and `build` out of the environments, and use `vars`"
        )


def _keep(kept: Path, production: bytes, staging: bytes, assets: AssetsConfig | None) -> Path:
    """Write the body and what goes with it under the digest of its contents; the path of the body."""
    kept.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = Path(tempfile.mkdtemp(prefix="new-", dir=kept))
    try:
        form = scratch / "upload.form"
        form.write_bytes(production)
        metadata, _ = parse_multipart(staging, place="staging")
        staged = json.loads(metadata)
        if assets is not None:
            _write_assets(read_assets(assets.directory), scratch / "upload.form.assets")
            (scratch / "upload.form.assets.json").write_text(json.dumps(dict(assets.config)))
            staged["assets"] = {"config": dict(assets.config)}
        (scratch / "upload.form.staging.json").write_text(json.dumps(staged))
        # The bundle's digest is that of production; a change of staging's bindings alone is another build.
        final = kept / f"{load_bundle(form).digest}-{hashlib.sha256(metadata).hexdigest()[:8]}"
        if not final.exists():
            _move(scratch, final)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return final / "upload.form"


def _move(scratch: Path, final: Path) -> None:
    try:
        scratch.rename(final)
    except OSError:
        # Another build of the same contents was a moment faster.
        if not final.exists():
            raise


def _write_assets(assets: tuple[Asset, ...], directory: Path) -> None:
    for asset in assets:
        path = directory / asset.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(asset.data)


def _record(form: Path, project: Path, *, wrangler: Wrangler, node: Node, body_digest: str) -> None:
    """How it was built, beside it, for whoever asks later; the first build of equal content stays."""
    told: dict[str, Any] = {
        "project": project.name,
        "sha256": body_digest,
        "wrangler": wrangler.version,
        "node": node.version,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    record = form.with_name("build.json")
    if not record.exists():
        record.write_text(json.dumps(told, indent=2) + "\n")
