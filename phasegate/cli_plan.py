"""``phasegate plan``: look at plans and check them before anything is released."""

import sys
from pathlib import Path

import click

from phasegate.cli_errors import FIX_THE_INPUT, complain, reports_errors


def _search(extra: tuple[Path, ...]) -> tuple[Path, ...]:
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
    sound = [_check(source, _search(extra)) for source in sources]
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
@reports_errors
def show(name: str, extra: tuple[Path, ...]) -> None:
    """Show the phases of the plan NAME: weight, soak, success, rollback, gate."""
    from rich.console import Console

    from phasegate.adapters.plan_yaml import load_plan
    from phasegate.report.plan_table import plan_table

    table = plan_table(load_plan(name, search=_search(extra)))
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)


@plan.command("list")
@_folders
@reports_errors
def list_plans(extra: tuple[Path, ...]) -> None:
    """List the plans that can be named."""
    from phasegate.adapters.plan_yaml import plan_names

    for name in plan_names(_search(extra)):
        click.echo(name)


@plan.command("schema")
def schema() -> None:
    """Print the JSON schema of plan files, for editors."""
    from phasegate.adapters.plan_schema import schema_text

    click.echo(schema_text(), nl=False)
