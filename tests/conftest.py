"""Which tests share a process, and which begin first."""

from pathlib import Path

import pytest

# What takes longest begins first, so that no worker is left with it at the end.
LONGEST = ("e2e", "test_house.py", "adapters/test_ledger_processes.py", "edge/test_splitter_ends.py")

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
    """Each file stays in one process, and all end-to-end tests in one: they share a house."""
    items.sort(key=lambda item: _rank(_place(item)))
    for item in items:
        place = _place(item)
        item.add_marker(pytest.mark.xdist_group("house" if place.startswith("e2e/") else place))


def _place(item: pytest.Item) -> str:
    return str(item.path.relative_to(Path(__file__).parent))


def _rank(place: str) -> int:
    return next((rank for rank, long in enumerate(LONGEST) if place.startswith(long)), len(LONGEST))
