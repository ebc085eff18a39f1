"""Say what is there and what is missing."""

import sys

import click

from phasegate.cli_errors import FAILED, reports_errors

_MARKS = {"ok": "ok     ", "missing": "MISSING", "warning": "warning"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each check.")
@reports_errors
def doctor(as_json: bool) -> None:
    """
    Look at everything a release needs, and say what to do about what is missing.

    Exit codes: 0 nothing is missing (there may be warnings), 1 something is, 2 bad settings.
    """
    import asyncio
    import json

    from phasegate.doctor import examine
    from phasegate.settings import Settings

    rows = asyncio.run(examine(Settings()))
    for row in rows:
        if as_json:
            told = {"name": row.name, "status": row.status, "detail": row.detail, "next": row.next}
            click.echo(json.dumps(told))
            continue
        click.echo(f"{_MARKS[row.status]}  {row.name}: {row.detail}")
        if row.next:
            click.echo(f"         → {row.next}")
    if any(row.status == "missing" for row in rows):
        sys.exit(FAILED)
