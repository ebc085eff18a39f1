"""Change traffic by hand, where no release does: what ``wrangler versions deploy`` and ``rollback`` do."""

import click

from phasegate.cli_errors import reports_errors
from phasegate.cli_release import who

_by = click.option("--by", default=who, show_default="$GITHUB_ACTOR or $USER", help="Who changes it.")
_reason = click.option("--reason", required=True, help="Why, for the record.")


@click.command()
@click.argument("service")
@click.argument("shares", nargs=-1, required=True, metavar="VERSION@PERCENT...")
@_by
@_reason
@reports_errors
def split(service: str, shares: tuple[str, ...], by: str, reason: str) -> None:
    """
    Give one or two versions of SERVICE their shares: `split rates v2@10 v1@90`.

    A version is named by its id, the first eight digits of it, or its tag. Refused
    while a release of the service is active; 0 % is legal and makes a version
    reachable by override.
    """
    import asyncio

    asyncio.run(_split(service, tuple(map(_share, shares)), by=by, reason=reason))


@click.command()
@click.argument("service")
@click.option("--version", default="", help="The version to restore; default the one before, by the ledger.")
@_by
@_reason
@reports_errors
def rollback(service: str, version: str, by: str, reason: str) -> None:
    """
    Give a known-good version of SERVICE all traffic, at once.

    During a release that is `phasegate abort` of it. Without --version it is the
    version that the newest release replaced. Databases stay as they are.
    """
    import asyncio

    asyncio.run(_roll_back(service, version, by=by, reason=reason))


def _share(text: str) -> tuple[str, float]:
    from phasegate.domain.errors import FixTheInput

    version, _, percent = text.rpartition("@")
    try:
        weight = float(percent)
    except ValueError:
        weight = -1.0
    if not version or not 0 <= weight <= 100:
        raise FixTheInput(f"{text!r} is no share; allowed is VERSION@PERCENT with 0 to 100, such as v2@10")
    return version, weight


async def _split(service: str, shares: tuple[tuple[str, float], ...], *, by: str, reason: str) -> None:
    from phasegate.actions.by_hand import Wanted, split_by_hand
    from phasegate.settings import Settings
    from phasegate.wiring import outside

    _named(by)
    wanted = tuple(Wanted(version, weight) for version, weight in shares)
    async with outside(Settings(), role=f"split by {by}") as hands:
        changed = await split_by_hand(hands, service, wanted, by=by, reason=reason)
    was = changed.words(changed.before.split)
    click.echo(f"{service}: {changed.words(changed.after.split)} (was {was})")


async def _roll_back(service: str, version: str, *, by: str, reason: str) -> None:
    from phasegate.actions.by_hand import version_before
    from phasegate.cli_follow import abort_release
    from phasegate.settings import Settings
    from phasegate.wiring import outside

    _named(by)
    async with outside(Settings(), role=f"rollback by {by}") as hands:
        active = await hands.journal.ledger.releases(active=True, service=service)
        if not active and not version:
            version = await version_before(hands, service)
    if not active:
        await _split(service, ((version, 100.0),), by=by, reason=reason)
        return
    if version:
        from phasegate.domain.errors import Refused

        raise Refused(
            f"{active[0].release} is active, and it goes back to the known-good version of its ledger; "
            "leave out --version, or abort it first"
        )
    await abort_release(active[0].release, reason=reason, by=by, over_changed_secrets=False)


def _named(by: str) -> None:
    from phasegate.domain.errors import FixTheInput

    if len(by.strip()) < 3:
        raise FixTheInput("--by: name the person who changes the traffic (at least 3 characters)")
