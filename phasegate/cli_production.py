"""Commands about what is live: decide about a foreign deployment, and look whether there is a way back."""

import click

from phasegate.cli_errors import reports_errors
from phasegate.cli_release import who


@click.group()
def drift() -> None:
    """Decide about a deployment that somebody else made during a release."""


_BY = click.option("--by", default=who, show_default="$GITHUB_ACTOR or $USER", help="Who decides.")
_WHY = click.option("--reason", required=True, help="Why, for the record.")


@drift.command()
@click.argument("release")
@_BY
@_WHY
@reports_errors
def accept(release: str, by: str, reason: str) -> None:
    """Leave the foreign split as it is. The release ends as abandoned; nothing is written."""
    import asyncio

    from phasegate.cli_follow import settle_drift

    asyncio.run(settle_drift(release, by=by, reason=reason, restore=False))


@drift.command()
@click.argument("release")
@_BY
@_WHY
@reports_errors
def restore(release: str, by: str, reason: str) -> None:
    """
    Replace the foreign split by what the release expects; then it goes on.

    A release that is being taken back gets its known-good version at 100 %.
    """
    import asyncio

    from phasegate.cli_follow import settle_drift

    asyncio.run(settle_drift(release, by=by, reason=reason, restore=True))


@click.command()
@click.argument("service")
@click.option("--bundle", default="", help="Path of the bundle that is to be released, if there is one.")
@click.option("--version", default="", help="Id or tag of the uploaded version that is to be released.")
@reports_errors
def preflight(service: str, bundle: str, version: str) -> None:
    """
    Say whether the version that is live could be brought back after a release; reads only.

    Exit codes: 0 the way back is free, 3 it is not, 2 bad input, 1 anything else.
    """
    import asyncio

    from phasegate.cli_follow import examine_service

    raise SystemExit(asyncio.run(examine_service(service, bundle=bundle, version=version)))
