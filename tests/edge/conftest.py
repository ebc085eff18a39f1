"""What tests of the edge may ask for."""

from collections.abc import AsyncIterator

import pytest
from edge_caller import Caller, serving


@pytest.fixture
async def api() -> AsyncIterator[Caller]:
    """A caller of a fresh edge."""
    async with serving() as caller:
        yield caller
