"""``phasegate plan``: look at plans and check them before anything is released."""

import sys
from pathlib import Path
from typing import Any

import click

from phasegate.cli_errors import FIX_THE_INPUT, complain, reports_errors


def plan_folders(extra: tuple[Path, ...]) -> tuple[Path, ...]:
    """Where plans are looked for: *extra*, then the usual places."""
    from phasegate.settings import Settings

    return (*extra, *Settings().plan_places)


_folders = click.option(
    "--plans",
    "extra",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="A directory to look for plans in, before the usual ones.",
)


@click.group("plan")
def plan() -> None:
    """Look at rollout plans and check them."""


@plan.command("check")
@click.argument("sources", metavar="FILE...", nargs=-1, required=True)
@_folders
@reports_errors
def check(sources: tuple[str, ...], extra: tuple[Path, ...]) -> None:
    """Check plans, given as files or by name, and name every fault; exit code 2 if there is one."""
    sound = [_check(source, plan_folders(extra)) for source in sources]
    if not all(sound):
        sys.exit(FIX_THE_INPUT)


def _check(source: str, search: tuple[Path, ...]) -> bool:
    from phasegate.adapters.plan_yaml import load_plan
    from phasegate.domain.errors import PlanError
    from phasegate.domain.quantities import format_duration

    try:
        found = load_plan(source, search=search)
    except PlanError as error:
        complain(error)
        return False
    weights = ", ".join(f"{phase.name} {phase.weight:g}%" for phase in found.phases)
    click.echo(
        f"ok {source}: {len(found.phases)} phases ({weights}), at least {format_duration(found.shortest)}"
    )
    return True


@plan.command("show")
@click.argument("name")
@_folders
@click.option("--traffic", metavar="12rps|720rpm", help="Say what the plan can see at this traffic.")
@click.option("--service", metavar="NAME", help="The same, at what this service serves, as measured.")
@click.option("--hours", default=1.0, show_default=True, help="How far --service looks back.")
@click.option("--base-error-rate", "errors", metavar="0.05%", help="Share of requests that fail anyway.")
@click.option("--json", "as_json", is_flag=True, help="What can be seen, as one JSON object.")
@reports_errors
def show(name: str, extra: tuple[Path, ...], **asked: Any) -> None:
    """Show the phases of the plan NAME: weight, soak, success, rollback, gate; and what they can see."""
    from phasegate.adapters.plan_yaml import load_plan
    from phasegate.cli_outlook import Question, show_plan

    show_plan(load_plan(name, search=plan_folders(extra)), Question(**asked))


@plan.command("list")
@_folders
@reports_errors
def list_plans(extra: tuple[Path, ...]) -> None:
    """List the plans that can be named."""
    from phasegate.adapters.plan_yaml import plan_names

    for name in plan_names(plan_folders(extra)):
        click.echo(name)


@plan.command("schema")
def schema() -> None:
    """Print the JSON schema of plan files, for editors."""
    from phasegate.adapters.plan_schema import schema_text

    click.echo(schema_text(), nl=False)
