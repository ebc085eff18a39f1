"""What every test may ask for, and which tests share a process."""

from pathlib import Path

import pytest
from prefect_server import prefect_server

__all__ = ["prefect_server"]

TRANSCRIPTS = Path(__file__).resolve().parent.parent / "build" / "conformance"


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--record`` keeps what wrangler and the edge say to each other as the golden exchanges."""
    parser.addoption("--record", action="store_true", help="write tests/edge/golden anew")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Transcripts of earlier runs are not this run's."""
    if not hasattr(session.config, "workerinput"):
        for path in TRANSCRIPTS.glob("*.txt"):
            path.unlink()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what the real wrangler did."""
    for path in sorted(TRANSCRIPTS.glob("*.txt")):
        terminalreporter.section(f"conformance: {path.stem}")
        terminalreporter.write_line(path.read_text())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Each file stays in one process, and all end-to-end tests in one: they share a house.

    They come first, because they take longest and mostly wait.
    """
    items.sort(key=lambda item: "e2e" not in item.path.parts)
    for item in items:
        group = "house" if "e2e" in item.path.parts else str(item.path.relative_to(Path(__file__).parent))
        item.add_marker(pytest.mark.xdist_group(group))
