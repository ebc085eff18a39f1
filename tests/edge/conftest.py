"""What tests of the edge may ask for."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from edge_caller import Caller, serving


@pytest.fixture
def workdir() -> Iterator[Path]:
    """A directory with a short name: a socket's path has 107 bytes at most."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


@pytest.fixture
async def api() -> AsyncIterator[Caller]:
    """A caller of a fresh edge."""
    async with serving() as caller:
        yield caller
