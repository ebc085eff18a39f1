"""``phasegate backtest``: what a plan, and other judges, would have done with many releases."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from phasegate.cli_errors import reports_errors
from phasegate.cli_plan import plan_folders

if TYPE_CHECKING:
    from rich.table import Table

    from phasegate.adapters.minutes_table import Choice
    from phasegate.domain.plan import RolloutPlan
    from phasegate.simulation.backtest import Row
    from phasegate.simulation.outcome import Observed, Outcome

_USUAL_TRAFFIC = ("1rps", "10rps", "100rps")
_USUAL_REGRESSIONS = ("x2", "x5", "1%", "5%", "50%")
_WIDTH = 160
T = TypeVar("T")


def _options(command: Callable[..., None]) -> Callable[..., None]:
    options = (
        click.option("--simulate", is_flag=True, help="Simulate releases; the default without FILES."),
        click.option("--traffic", multiple=True, default=_USUAL_TRAFFIC, help="Such as 12rps. Repeatable."),
        click.option("--errors", default="0.05%", show_default=True, help="Error rate of the good version."),
        click.option(
            "--regression", "regressions", multiple=True, default=_USUAL_REGRESSIONS, help="Repeatable."
        ),
        click.option("--disturbance", default="none", show_default=True, help="What hits both arms."),
        click.option("--rollouts", type=click.IntRange(1, 100_000), default=200, show_default=True),
        click.option("--seed", type=click.IntRange(0), default=1, show_default=True),
        click.option(
            "--latency", is_flag=True, help="Draw latencies as well; implied by a regression of latency."
        ),
        click.option(
            "--harmful-from", metavar="DURATION", help="The recorded releases are bad from then on."
        ),
        click.option(
            "--canary", default="", metavar="VALUE", help="The version that is the canary in FILES."
        ),
        click.option("--control", default="", metavar="VALUE", help="The version that is the control."),
        click.option("--json", "as_json", is_flag=True, help="For machines."),
        click.option("--plans", multiple=True, type=click.Path(path_type=Path, file_okay=False, exists=True)),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command("backtest")
@click.argument("plan")
@click.argument("files", nargs=-1, metavar="[FILES]...", type=click.Path(path_type=Path, dir_okay=False))
@_options
@reports_errors
def backtest(plan: str, files: tuple[Path, ...], plans: tuple[Path, ...], **asked: Any) -> None:
    """
    Run PLAN over recorded releases (FILES: csv, json, parquet) or simulated ones, beside other judges.

    Prints for each judge how often good versions are taken back, with the exact 95 % interval,
    and how soon bad ones are.
    """
    from phasegate.adapters.plan_yaml import load_plan
    from phasegate.cli_backtest_text import as_json, recorded_table, tables
    from phasegate.domain.quantities import format_duration

    rules = load_plan(plan, search=plan_folders(plans))
    rows = _simulated(rules, asked) if asked["simulate"] or not files else ()
    outcomes = _recorded(rules, files, asked) if files else ()
    if asked["as_json"]:
        click.echo(as_json(rows, outcomes))
        return
    interval = format_duration(rules.interval)
    _print(tables(rows, interval=interval))
    if outcomes:
        _print((recorded_table(outcomes, harmful=bool(asked["harmful_from"]), interval=interval),))


def _simulated(plan: "RolloutPlan", asked: dict[str, Any]) -> "tuple[Row, ...]":
    from phasegate.domain.quantities import parse_rate, parse_traffic
    from phasegate.simulation import backtest as runs
    from phasegate.simulation.baselines import all_baselines
    from phasegate.simulation.phasegate_judge import Phasegate, course_of, terms_of
    from phasegate.simulation.scenario import REGRESSIONS, Disturbance, Scenario

    errors = _parsed("--errors", parse_rate, asked["errors"])
    traffic = [_parsed("--traffic", parse_traffic, one) for one in asked["traffic"]]
    names = [_named("--regression", one, REGRESSIONS) for one in ("A/A", *asked["regressions"])]
    disturbance = Disturbance(_named("--disturbance", asked["disturbance"], [*Disturbance]))
    course, judges = _course(course_of(plan)), (Phasegate(terms_of(plan)), *all_baselines())
    cuts = plan.counted if asked["latency"] or any(REGRESSIONS[name].of_latency for name in names) else ()
    cells = [
        runs.Cell(
            Scenario(rate, errors, REGRESSIONS[name], disturbance, course, cuts), asked["rollouts"], judges
        )
        for rate in traffic
        for name in dict.fromkeys(names)
    ]
    with _progress() as told:
        return runs.backtest(cells, seed=asked["seed"], told=told)


def _recorded(plan: "RolloutPlan", files: Sequence[Path], asked: dict[str, Any]) -> "tuple[Outcome, ...]":
    from phasegate.adapters.minutes_table import Choice
    from phasegate.domain.quantities import parse_duration
    from phasegate.simulation.outcome import outcome

    begins = (
        _parsed("--harmful-from", parse_duration, asked["harmful_from"]) if asked["harmful_from"] else None
    )
    choice = Choice(canary=asked["canary"], control=asked["control"])
    found: dict[str, list[Observed]] = {}
    with _progress() as told:
        for done, file in enumerate(files, start=1):
            onset = round(begins / plan.interval) if begins else 0
            for one in _one_file(plan, file, choice, onset=onset):
                found.setdefault(one.judge, []).append(one)
            told(done, len(files))
    return tuple(outcome(parts) for parts in found.values())


def _one_file(plan: "RolloutPlan", file: Path, choice: "Choice", *, onset: int) -> "Iterator[Observed]":
    from phasegate.adapters.minutes_files import read_recording
    from phasegate.domain.errors import RecordingError
    from phasegate.simulation.baselines import all_baselines
    from phasegate.simulation.outcome import observed
    from phasegate.simulation.recorded import recorded, stopped

    recording = read_recording(file, plan=plan, choice=choice)
    watched = [seen for seen in recording.watched if seen.control]
    if not watched:
        raise RecordingError(f"{file}: no control in it; a backtest needs a phase with two versions")
    for seen in watched:
        rollout = recorded(recording.plan, seen, onset=onset)
        yield observed("phasegate", stopped(recording.plan, seen), rollout)
        for judge in all_baselines():
            yield observed(judge.name, judge.stops(rollout), rollout)


def _course(course: T) -> T:
    from phasegate.domain.errors import PlanError

    if not getattr(course, "phases", ()):
        raise PlanError("the plan has no phase in which a control takes traffic; nothing can be simulated")
    return course


def _parsed(option: str, parse: Callable[[Any], T], value: str) -> T:
    from phasegate.domain.errors import SettingsError

    try:
        return parse(value)
    except ValueError as error:
        raise SettingsError(f"{option}: {error}") from None


def _named(option: str, name: str, allowed: Any) -> str:
    from phasegate.domain.errors import SettingsError

    if name not in [str(one) for one in allowed]:
        raise SettingsError(f"{option}: {name!r} is not allowed; allowed: {', '.join(allowed)}")
    return name


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Tells on a terminal how far it is; elsewhere nothing."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("judging", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def _print(found: "Sequence[Table]") -> None:
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    for table in found:
        console.print(table)
