"""The real programs of Cloudflare, and what is said when they are not here."""

import pytest

from phasegate.edge.workerd import find_workerd

needs_workerd = pytest.mark.skipif(
    find_workerd() is None, reason="NO WORKERD: `make toolchain` could not install it, so no JavaScript ran"
)
