"""Start, answer and abort releases from a terminal or from CI."""

import os

import click

from phasegate.cli_errors import reports_errors


def who() -> str:
    return os.environ.get("GITHUB_ACTOR") or os.environ.get("USER") or ""


@click.command()
@click.option("--service", required=True, help="The Worker to release.")
@click.option("--plan", default="production", show_default=True, help="Name of the rollout plan.")
@click.option("--bundle", default="", help="A bundle, or a Worker project, which is built.")
@click.option("--version", default="", help="Id or tag of a version that is already uploaded.")
@click.option("--reason", required=True, help="Why this is released.")
@click.option("--requested-by", default=who, show_default="$GITHUB_ACTOR or $USER", help="Who asks for it.")
@click.option("--break-glass", default="", help="Why it cannot wait for a freeze's end (logged, paged).")
@click.option("--supersede", default="", help="Why the service's active release is taken back first.")
@click.option("--queue", default="", help="Wait so long for the service's active release to end, e.g. 2h.")
@click.option("--unguarded", default="", help="Why no keeper needs to watch (logged and paged).")
@click.option("--wait/--no-wait", default=False, help="Follow the release until it ends.")
@click.option(
    "--wait-limit", default="", show_default="as the plan may take", help="How long to follow it, e.g. 90m."
)
@click.option("--key", default="", help="The same key never starts a second run (e.g. the CI run's id).")
@reports_errors
def release(wait: bool, wait_limit: str, key: str, **asked: str) -> None:
    """
    Start a release.

    Exit codes: 0 promoted (or started, without --wait), 3 rolled back, 4 not over at
    --wait-limit or nobody answered, 2 bad input, 1 anything else.
    """
    import asyncio

    from phasegate.cli_follow import start_and_follow

    raise SystemExit(asyncio.run(start_and_follow(asked, wait=wait, wait_limit=wait_limit, key=key)))


@click.command()
@click.argument("release")
@click.option("--reason", required=True, help="Why it is taken back.")
@click.option("--by", default=who, show_default="$GITHUB_ACTOR or $USER", help="Who takes it back.")
@click.option(
    "--over-changed-secrets",
    is_flag=True,
    help="Bring the known-good version back although secrets changed since; it then runs with those of now.",
)
@reports_errors
def abort(release: str, reason: str, by: str, over_changed_secrets: bool) -> None:
    """
    Take a release back, from any state.

    The known-good version is restored at once, here; the rollback flow then
    verifies and watches recovery. Prefect may be away.
    """
    import asyncio

    from phasegate.cli_follow import abort_release

    asyncio.run(abort_release(release, reason=reason, by=by, over_changed_secrets=over_changed_secrets))


@click.command()
@click.argument("release")
@click.option("--decision", type=click.Choice(["approve", "reject", "extend"]), required=True)
@click.option("--approver", default=who, show_default="$GITHUB_ACTOR or $USER", help="Your name.")
@click.option("--role", required=True, help="The role you answer in.")
@click.option("--reason", required=True, help="Why, for the record.")
@reports_errors
def answer(release: str, **given: str) -> None:
    """Answer the question a release waits for, as the form in the Prefect UI would."""
    import asyncio

    from phasegate.cli_follow import answer_release

    asyncio.run(answer_release(release, given))
