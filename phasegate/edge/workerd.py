"""Cloudflare's own runtime, ``workerd``: where its program is."""

import os
import platform
import shutil
from pathlib import Path

VARIABLE = "PHASEGATE_WORKERD"
HOW_TO_GET_IT = f"install it with `make toolchain`, or set {VARIABLE} to its program"
_PACKAGES = {("Linux", "x86_64"): "workerd-linux-64", ("Linux", "aarch64"): "workerd-linux-arm64"}


def find_workerd() -> Path | None:
    """
    The program ``workerd``, if there is one.

    Looked for in ``$PHASEGATE_WORKERD``, in ``.toolchain`` (of the working directory, then
    of this checkout; ``$PHASEGATE_TOOLCHAIN`` instead of both), and on the path.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named) if os.access(named, os.X_OK) else None
    package = _PACKAGES.get((platform.system(), platform.machine()))
    for place in _toolchains():
        program = place / "node_modules" / "@cloudflare" / str(package) / "bin" / "workerd"
        if package and os.access(program, os.X_OK):
            return program
    found = shutil.which("workerd")
    return Path(found) if found else None


def _toolchains() -> tuple[Path, ...]:
    if named := os.environ.get("PHASEGATE_TOOLCHAIN"):
        return (Path(named),)
    return (Path.cwd() / ".toolchain", Path(__file__).parents[2] / ".toolchain")
