"""Which tests share a process, and which begin first."""

from pathlib import Path

import pytest

# What takes longest begins first, so that no worker is left with it at the end.
LONGEST = ("e2e", "test_house.py", "adapters/test_ledger_processes.py", "edge/test_splitter_ends.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each file stays in one process, and all end-to-end tests in one: they share a house."""
    items.sort(key=lambda item: _rank(_place(item)))
    for item in items:
        place = _place(item)
        item.add_marker(pytest.mark.xdist_group("house" if place.startswith("e2e/") else place))


def _place(item: pytest.Item) -> str:
    return str(item.path.relative_to(Path(__file__).parent))


def _rank(place: str) -> int:
    return next((rank for rank, long in enumerate(LONGEST) if place.startswith(long)), len(LONGEST))
