"""The real programs of Cloudflare, and what is said when they are not here."""

from pathlib import Path

import pytest

from phasegate.adapters.toolchain import Wrangler, read_wrangler
from phasegate.edge.workerd import find_workerd

needs_workerd = pytest.mark.skipif(
    find_workerd() is None, reason="NO WORKERD: `make toolchain` could not install it, so no JavaScript ran"
)

NEWEST, OLDER = "wrangler", "wrangler-4-86"
_MODULES = Path(__file__).resolve().parents[1] / ".toolchain" / "node_modules"


def wrangler_of(package: str) -> Wrangler:
    """One of the two wranglers that `make toolchain` installs."""
    return read_wrangler(_MODULES / package)


needs_wrangler = pytest.mark.skipif(
    find_workerd() is None or not (_MODULES / OLDER / "package.json").is_file(),
    reason="NO WRANGLER: `make toolchain` could not install it, so the edge was not proved against it",
)
