"""``phasegate ledger``: read what happened to a release, and check that nobody rewrote it."""

import asyncio
import sys
from pathlib import Path

import click

from phasegate.cli_errors import FAILED, reports_errors

FORMATS = ("csv", "json", "parquet")

_database = click.option(
    "--ledger",
    "database",
    metavar="PATH|URL",
    envvar="PHASEGATE_LEDGER",
    default="",
    help="SQLite file or Postgres URL; default .phasegate/ledger.db.",
)


@click.group("ledger")
def ledger() -> None:
    """Read the ledger: what happened to a release, when, and because of whom."""


@ledger.command("show")
@click.argument("release")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each event.")
@click.option("--follow", is_flag=True, help="Keep printing new events until the release has ended.")
@_database
@reports_errors
def show(release: str, as_json: bool, follow: bool, database: str) -> None:
    """Show where RELEASE stands and everything that happened to it."""
    from phasegate import cli_ledger_reading as reading

    asyncio.run(reading.show(_where(database), release, as_json=as_json, follow=follow))


@ledger.command("list")
@_database
@reports_errors
def list_releases(database: str) -> None:
    """List all releases, newest first, with how each stands or ended."""
    from phasegate import cli_ledger_reading as reading

    asyncio.run(reading.list_releases(_where(database)))


@ledger.command("verify")
@click.argument("release", default="")
@_database
@reports_errors
def verify(release: str, database: str) -> None:
    """Check the chain of hashes of RELEASE, or of every release; exit code 1 when one is broken."""
    from phasegate import cli_ledger_reading as reading

    if not asyncio.run(reading.verify(_where(database), release)):
        sys.exit(FAILED)


@ledger.command("export")
@click.argument("release")
@_database
@reports_errors
def export(release: str, database: str) -> None:
    """Print every event of RELEASE as JSON lines."""
    from phasegate import cli_ledger_reading as reading

    asyncio.run(reading.export(_where(database), release))


@ledger.command("minutes")
@click.argument("release")
@click.option("--format", "form", type=click.Choice(FORMATS), help="Default: as the file's ending, else csv.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Default: print it.")
@_database
@reports_errors
def minutes(release: str, form: str | None, output: Path | None, database: str) -> None:
    """Export what RELEASE was judged by, so that `phasegate judge` can judge it again."""
    from phasegate import cli_ledger_minutes as exporting

    exporting.export_minutes(_where(database), release, form=form, output=output)


def _where(database: str) -> str:
    from phasegate.adapters.ledger_address import DEFAULT
    from phasegate.settings import Settings

    return database or str(Settings().project / DEFAULT)
