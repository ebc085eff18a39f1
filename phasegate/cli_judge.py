"""``phasegate judge``: judge recorded minutes, to learn what a plan would have done with them."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phasegate.cli_errors import reports_errors
from phasegate.cli_plan import plan_folders

if TYPE_CHECKING:
    from phasegate.domain.judge.replay import Look
    from phasegate.domain.recording import Recording, Watched

HEALTHY, HARMFUL, UNDECIDED = 0, 3, 4


def _options(command: Callable[..., None]) -> Callable[..., None]:
    options = (
        click.option("--plan", metavar="PLAN", help="Judge by this plan; a table made by hand needs one."),
        click.option("--plans", multiple=True, type=click.Path(path_type=Path, file_okay=False, exists=True)),
        click.option("--canary", default="", metavar="VALUE", help="The version that is the canary."),
        click.option("--control", default="", metavar="VALUE", help="The version that is the control."),
        click.option("--phase", default="", metavar="NAME", help="Judge all of a table as this phase."),
        click.option("--column", "columns", multiple=True, metavar="OURS=THEIRS", help="Name of a column."),
        click.option("--every", is_flag=True, help="A line for each interval, not only for what is new."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command("judge")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_options
@reports_errors
def judge(file: Path, plan: str | None, plans: tuple[Path, ...], every: bool, **choice: Any) -> None:
    """
    Judge the minutes in FILE (csv, json or parquet) and tell when they would have been taken back.

    Exit code 0: healthy, 3: harmful, 4: not enough evidence, 2: bad input.
    """
    from phasegate.adapters.minutes_files import read_recording
    from phasegate.adapters.minutes_table import Choice
    from phasegate.adapters.plan_yaml import load_plan

    rules = load_plan(plan, search=plan_folders(plans)) if plan else None
    given = Choice(columns=_columns(choice.pop("columns")), **choice)
    recording = read_recording(file, plan=rules, choice=given)
    findings = [_replayed(recording, seen, every=every) for seen in recording.watched if seen.soaks]
    if rules is None:
        _compare(recording)
    sys.exit(max(findings, key=(HEALTHY, UNDECIDED, HARMFUL).index, default=UNDECIDED))


def _columns(given: tuple[str, ...]) -> dict[str, str]:
    from phasegate.domain.errors import SettingsError

    found = {}
    for one in given:
        ours, sign, theirs = one.partition("=")
        if not (ours and sign and theirs):
            raise SettingsError(
                f"--column: {one!r} is not allowed; allowed: OURS=THEIRS such as start=timestamp"
            )
        found[ours] = theirs
    return found


def _replayed(recording: "Recording", seen: "Watched", *, every: bool) -> int:
    from phasegate.domain.judge.replay import looks, without_unrecorded
    from phasegate.report.replay_text import columns, ending, heading, timeline

    plan, left_out = without_unrecorded(recording.plan, seen)
    click.echo(heading(recording, seen, plan))
    for why in left_out:
        click.echo(f"not judged: {why}")
    found = tuple(looks(plan, seen))
    click.echo("\n".join((columns(), *timeline(found, every=every), ending(found, seen))))
    return _code(found, seen)


def _code(found: "tuple[Look, ...]", seen: "Watched") -> int:
    """A soak whose end was not seen has proved nothing."""
    from phasegate.domain.verdict import Finding

    if found and found[-1].verdict.finding is Finding.HARMFUL:
        return HARMFUL
    healthy = {
        look.verdict.phase for look in found if look.closing and look.verdict.finding is Finding.HEALTHY
    }
    return HEALTHY if healthy == {soak.phase for soak in seen.soaks} else UNDECIDED


def _compare(recording: "Recording") -> None:
    """What the ledger recorded, judged again from what was known at that moment."""
    from phasegate.domain.judge.replay import agrees, recorded_and_replayed
    from phasegate.report.replay_text import comparison

    pairs = recorded_and_replayed(recording)
    if pairs:
        differing = tuple(pair for pair in pairs if not agrees(*pair))
        click.echo(comparison(pairs, differing))
