"""What every test may ask for, and which tests share a process."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Each file stays in one process, and all end-to-end tests in one: they share a house.

    They come first, because they take longest and mostly wait.
    """
    items.sort(key=lambda item: "e2e" not in item.path.parts)
    for item in items:
        group = "house" if "e2e" in item.path.parts else str(item.path.relative_to(Path(__file__).parent))
        item.add_marker(pytest.mark.xdist_group(group))
