"""Which tests begin first, and what is told at the end."""

import json
from pathlib import Path

import hypothesis
import pytest

# How long an example takes says nothing: the tests run beside each other.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# What takes longest begins first, so that no worker is left with it at the end.
# Each of three processes takes two files at once: a long one goes with a short one.
LONGEST = (
    *("e2e/test_e2e_databases.py", "e2e/test_e2e_suspended.py", "e2e/test_e2e_taken_back.py"),
    *("e2e/test_e2e_refused.py", "e2e/test_e2e_two_hosts.py", "e2e/test_e2e_promoted.py"),
    "e2e/test_e2e_drift.py",
    *("conformance", "release/test_model.py", "test_house.py"),
    *("release/test_keeper_endures.py", "release/test_keeper_takes_back.py"),
    *("release/test_synthetic_requests.py", "release/test_foreign_deploys.py"),
    *("adapters/test_cloudflare_edge.py", "release/test_kill_table.py"),
    *("adapters/test_cloudflare_telemetry.py", "release/test_worker_project.py"),
    *("release/test_second_source.py", "edge/test_splitter_ends.py"),
    *("release/test_secrets_stay_secret.py", "examples/test_spring_rate_faults.py"),
    *("release/", "adapters/test_ledger_processes.py", "edge/", "examples/"),
)

CONFORMANCE = Path(__file__).resolve().parent / "conformance"
TRANSCRIPTS = Path(__file__).resolve().parent.parent / "build" / "conformance"


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--record`` keeps what wrangler and the edge say to each other as the golden exchanges."""
    parser.addoption("--record", action="store_true", help="write tests/edge/golden anew")
    parser.addoption("--counts", metavar="FILE", help="write there how many tests passed, failed, …, as JSON")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Transcripts of earlier runs are not this run's; runs of other tests leave them alone."""
    if not hasattr(session.config, "workerinput") and _plays_wrangler(session.config):
        for path in TRANSCRIPTS.glob("*.txt"):
            path.unlink()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what the real wrangler did, and tell the counts."""
    if counts := terminalreporter.config.getoption("--counts"):
        told = {outcome: len(reports) for outcome, reports in terminalreporter.stats.items() if outcome}
        Path(counts).write_text(json.dumps(told))
    if not _plays_wrangler(terminalreporter.config):
        return
    for path in sorted(TRANSCRIPTS.glob("*.txt")):
        terminalreporter.section(f"conformance: {path.stem}")
        terminalreporter.write_line(path.read_text())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long begin first; with several processes each file stays in one."""
    items.sort(key=lambda item: _rank(_place(item)))


def _plays_wrangler(config: pytest.Config) -> bool:
    given = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    return any(CONFORMANCE.is_relative_to(each) or each.is_relative_to(CONFORMANCE) for each in given)


def _place(item: pytest.Item) -> str:
    return str(item.path.relative_to(Path(__file__).parent))


def _rank(place: str) -> int:
    return next((rank for rank, long in enumerate(LONGEST) if place.startswith(long)), len(LONGEST))
