"""What `phasegate release` refuses before a run exists, and what it leaves to the run."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from phasegate.adapters.ledger_sql import SqlLedger
from phasegate.cli_release import release
from tests.ledger_cases import opened

ROOT = Path(__file__).resolve().parent.parent
SERVICE = opened().service


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the ledger is or would be; nothing listens where Prefect should."""
    file = tmp_path / "ledger.db"
    monkeypatch.setenv("PHASEGATE_PROJECT", str(ROOT))
    monkeypatch.setenv("PHASEGATE_LEDGER", str(file))
    monkeypatch.setenv("PHASEGATE_PREFECT_API_URL", "http://127.0.0.1:9/api")
    return file


def begin(file: Path) -> None:
    async def write() -> None:
        store = SqlLedger(str(file))
        await store.ready()
        await store.open("checkout-1", opened(), by="test", at=datetime.now(UTC))
        await store.close()

    asyncio.run(write())


def started(*options: str, service: str = SERVICE) -> Result:
    asked = ("--service", service, "--version", "v2", "--reason", "a fix", "--requested-by", "ada")
    return CliRunner().invoke(release, [*asked, *options])


def test_a_service_that_is_taken_starts_nothing(ledger: Path) -> None:
    begin(ledger)
    result = started()
    assert result.exit_code == 2
    assert f"nothing was started: {SERVICE!r} is being released by 'checkout-1'" in result.output
    assert "`phasegate abort checkout-1`" in result.output


@pytest.mark.parametrize("options", [("--queue", "2h"), ("--supersede", "a worse bug"), ("--key", "ci-7")])
def test_who_waits_or_asks_again_goes_on_to_prefect(ledger: Path, options: tuple[str, ...]) -> None:
    begin(ledger)
    result = started(*options)
    assert result.exit_code == 1
    assert "http://127.0.0.1:9/api" in result.output


@pytest.mark.parametrize("service", [SERVICE, "another"])
def test_a_free_service_goes_on_to_prefect(ledger: Path, service: str) -> None:
    if service == "another":
        begin(ledger)
    result = started(service=service)
    assert result.exit_code == 1
    assert "http://127.0.0.1:9/api" in result.output
    assert ledger.exists() == (service == "another")


def test_a_ledger_out_of_reach_is_left_to_the_run(ledger: Path) -> None:
    ledger.write_text("no database")
    result = started()
    assert result.exit_code == 1
    assert "http://127.0.0.1:9/api" in result.output
