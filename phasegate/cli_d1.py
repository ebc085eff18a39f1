"""The database of a release from a terminal: what is due, how it stands, and taking it back."""

import os
from typing import Any

import click

from phasegate.cli_errors import reports_errors

_ENVIRONMENT = click.option(
    "--environment", type=click.Choice(["production", "staging"]), default="production", show_default=True
)


def _who() -> str:
    return os.environ.get("GITHUB_ACTOR") or os.environ.get("USER") or ""


@click.group()
def d1() -> None:
    """
    A release's D1 database.

    Taking it back is never automatic: traffic goes to the old version first, then a named
    person chooses down-SQL, or a point in time with what that loses.
    """


@d1.command()
@click.option("--plan", default="production", show_default=True, help="The rollout plan.")
@click.option("--bundle", default="", help="The bundle or Worker project that is to be released.")
@click.option("--service", default="", help="With --version: the Worker.")
@click.option("--version", default="", help="Instead of a bundle: id or tag of an uploaded version.")
@_ENVIRONMENT
@reports_errors
def plan(**asked: str) -> None:
    """Say what a release would apply, and refuse what would break the old version. Writes nothing."""
    import asyncio

    from phasegate.cli_d1_acting import show_plan

    asyncio.run(show_plan(**asked))


@d1.command()
@click.argument("release")
@_ENVIRONMENT
@reports_errors
def status(release: str, environment: str) -> None:
    """Say what a release did to its database, and whether somebody wrote to it since."""
    import asyncio

    from phasegate.cli_d1_acting import show_status

    asyncio.run(show_status(release, environment))


@d1.command()
@click.argument("release")
@_ENVIRONMENT
@reports_errors
def schema(release: str, environment: str) -> None:
    """Print the schema and the applied migrations as they are now, and whether they are those from before."""
    import asyncio

    from phasegate.cli_d1_acting import show_schema

    asyncio.run(show_schema(release, environment))


@d1.command()
@click.argument("release")
@click.option("--by", default=_who, show_default="$GITHUB_ACTOR or $USER", help="Who takes it back.")
@click.option("--reason", required=True, help="Why, for the record.")
@_ENVIRONMENT
@reports_errors
def rollback(release: str, **order: Any) -> None:
    """Run the down-SQL of the release's migrations, the newest first."""
    _return(release, "down-sql", order)


def _approved(command: Any) -> Any:
    for option in (
        click.option(
            "--approver", "by", default=_who, show_default="$GITHUB_ACTOR or $USER", help="Your name."
        ),
        click.option("--role", required=True, help="The role in which you approve; the plan names those."),
        click.option("--reason", required=True, help="Why, for the record."),
        click.option("--accept-data-loss", "accepted", default="", help="The words that the refusal gives."),
        _ENVIRONMENT,
    ):
        command = option(command)
    return command


@d1.command()
@click.argument("release")
@_approved
@reports_errors
def restore(release: str, **order: Any) -> None:
    """Put the database back to where it was before the release's migrations (Time Travel)."""
    _return(release, "restore", order)


@d1.command()
@click.argument("release")
@_approved
@reports_errors
def undo(release: str, **order: Any) -> None:
    """Undo a rollback or a restore of the database."""
    _return(release, "undo", order)


def _return(release: str, way: str, order: dict[str, Any]) -> None:
    import asyncio

    from phasegate.cli_d1_acting import take_back

    # The two ways that lose data call the person an approver.
    options = {} if way == "down-sql" else {"by": "--approver"}
    asyncio.run(take_back(release, {"way": way, **order}, options=options))
