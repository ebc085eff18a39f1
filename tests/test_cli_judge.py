"""`phasegate judge` and `phasegate ledger minutes`: recorded minutes, judged again."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from ledger_cases import opened

from phasegate.actions.remembering import history_name
from phasegate.adapters.ledger_sql import SqlLedger
from phasegate.adapters.minutes_csv import write_csv
from phasegate.cli import COMMANDS, PURPOSE
from phasegate.cli_group import group
from phasegate.domain import events as e
from phasegate.domain.plan import Environment
from phasegate.domain.recording import Watched
from phasegate.domain.verdict import Finding
from phasegate.domain.versions import Version
from phasegate.report.replay_text import timeline
from tests.domain.judge_cases import CANARY, STABLE, after
from tests.recorded import plan_of, seen, streamed

pytestmark = pytest.mark.patient


def run(*arguments: object):
    """The program, without the settings of whoever runs the tests."""
    return CliRunner(env={"PHASEGATE_PLANS": None, "PHASEGATE_LEDGER": None}).invoke(
        group(COMMANDS, purpose=PURPOSE), [str(one) for one in arguments]
    )


def a_table(tmp_path: Path, watched: Watched) -> Path:
    """A CSV file of what was seen."""
    file = tmp_path / "incident.csv"
    file.write_text(write_csv(watched))
    return file


@pytest.mark.parametrize(
    ("watched", "code", "says"),
    [
        (seen(minutes=140, bad_from=60), 3, "taken back at 2026-02-17 04:01:00, 1h after canary began"),
        (seen(minutes=140), 0, "never taken back; at the end of the soak: canary healthy"),
        (seen(minutes=12), 4, "never taken back; at the end of the soak: canary not enough evidence"),
    ],
    ids=["harmful", "healthy", "thin"],
)
def test_the_exit_code_says_what_was_found(tmp_path: Path, watched: Watched, code: int, says: str):
    """
    A pipeline asks whether a new plan would have caught the last incident.
    """
    done = run("judge", a_table(tmp_path, watched), "--plan", "production")

    assert done.exit_code == code, done.output
    assert says in done.stdout
    assert "not judged: health: no health checks are recorded" in done.stdout


def test_only_what_is_new_is_printed_unless_every_interval_is_asked_for(tmp_path: Path):
    """
    A day has 1,440 minutes.
    """
    file = a_table(tmp_path, seen(minutes=40))

    some, every = (run("judge", file, "--plan", "production", *more) for more in ((), ("--every",)))

    assert len(some.stdout.splitlines()) < 8
    assert len(every.stdout.splitlines()) >= 40
    assert list(timeline((), every=True)) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere.csv", "--plan", "production"), "nowhere.csv: No such file or directory"),
        (("{table}",), "incident.csv: a table carries no plan; add --plan NAME"),
        (("{table}", "--plan", "productoin"), "no plan 'productoin'; did you mean 'production'?"),
        (("{table}", "--plan", "production", "--canary", "v9"), "no canary 'v9'; say which version"),
        (
            ("{table}", "--plan", "production", "--column", "x"),
            "--column: 'x' is not allowed; allowed: OURS=",
        ),
        (("{other}", "--plan", "production"), "unknown ending '.xls'; allowed: .csv, .tsv, .json, .parquet"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path, arguments: tuple[str, ...], says: str):
    """
    No traceback: the one who typed it can correct it.
    """
    table, other = a_table(tmp_path, seen(minutes=10)), tmp_path / "x.xls"

    done = run("judge", *(one.format(table=table, other=other) for one in arguments))

    assert done.exit_code == 2
    assert says in done.stderr
    assert done.stderr.startswith("phasegate: ")


async def _write(file: Path, watched: Watched) -> None:
    """A ledger with a release that was judged while it ran, and taken back if it was bad."""
    plan, ledger = plan_of(), SqlLedger(str(file))
    await ledger.ready()
    stable = Version(id=STABLE, tag="old")
    await ledger.open(
        "r1",
        opened(service="api", plan=plan.model_dump(mode="json"), known_good=stable),
        by="ada",
        at=after(-5),
    )
    events: list[tuple[e.Event, float]] = [
        (e.Uploaded(environment=Environment.PRODUCTION, version=Version(id=CANARY, tag="new")), -2),
        (e.PhaseBegan(phase="canary"), -1),
        (e.Soaking(phase="canary", since=watched.soaks[0].since, until=watched.soaks[0].until), 0.5),
    ]
    for at in (2.2, 11.3, 40.1, 63.2):
        verdict = streamed(plan, watched, after(at))
        events.append((e.Judged(verdict=verdict, final=False), at))
        if verdict.finding is Finding.HARMFUL:
            events.append((e.Breached(phase="canary", because=verdict.because()), at))
            break
    for seq, (event, at) in enumerate(events, start=1):
        await ledger.append("r1", event, by="keeper", at=after(at), expected=seq)
    await ledger.add_minutes("r1", "api", watched.minutes)
    await ledger.add_minutes("r1", history_name("api"), watched.history)
    for probe in watched.probes or ():
        await ledger.add_probe("r1", probe.model_copy(update={"url": "https://api.example/health"}))
    staged = probe.model_copy(update={"url": "https://api-staging.example/health", "ok": False})
    await ledger.add_probe("r1", staged)
    await ledger.close()


@pytest.mark.parametrize("form", ["json", "parquet"])
@pytest.mark.parametrize(("bad_from", "code"), [(60, 3), (None, 0)])
def test_an_exported_release_is_judged_as_it_was(tmp_path: Path, form: str, bad_from: int | None, code: int):
    """
    Every verdict of the ledger comes out again, from the file alone.
    """
    ledger, file = tmp_path / "ledger.db", tmp_path / f"r1.{form}"
    asyncio.run(_write(ledger, seen(bad_from=bad_from, minutes=62 if bad_from else 100)))

    exported = run("ledger", "minutes", "r1", "-o", file, "--ledger", ledger)
    done = run("judge", file)

    count, intervals = (5, 62) if bad_from else (4, 100)
    assert exported.exit_code == 0, exported.output
    assert done.exit_code == code, done.output
    assert f"ledger: {count} of {count} recorded verdicts are the same" in done.stdout
    assert f"r1, production: plan backend, canary v2, control v1, {intervals} intervals" in done.stdout


def test_an_exported_table_gives_the_same_end_by_another_way(tmp_path: Path):
    """
    CSV goes to standard output, and needs the plan when it comes back.
    """
    ledger, file = tmp_path / "ledger.db", tmp_path / "r1.csv"
    asyncio.run(_write(ledger, seen(bad_from=60)))

    exported = run("ledger", "minutes", "r1", "--ledger", ledger)
    file.write_text(exported.stdout)
    done = run("judge", file, "--plan", "production")

    assert exported.stdout.splitlines()[0] == (
        "start,length,phase,role,version,endpoint,total,errors,slow_500,slow_1000,slow_2000,unattributed"
    )
    assert done.exit_code == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("r2",), "release 'r2' is not in the ledger; nearest: r1"),
        (("r1", "-o", "{tmp}/x.xls"), "x.xls: unknown ending; allowed: csv, json, parquet, or say --format"),
        (("r1", "--format", "parquet"), "--format parquet is no text; say where it goes with -o FILE"),
        (("r1", "-o", "{tmp}/none/x.csv"), "none/x.csv: No such file or directory"),
    ],
)
def test_an_export_that_cannot_be_is_one_line(tmp_path: Path, arguments: tuple[str, ...], says: str):
    """
    Exit code 2, and nothing is written.
    """
    asyncio.run(_write(tmp_path / "ledger.db", seen(minutes=5)))

    done = run(
        "ledger",
        "minutes",
        *(one.format(tmp=tmp_path) for one in arguments),
        "--ledger",
        tmp_path / "ledger.db",
    )

    assert done.exit_code == 2
    assert says in done.stderr
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".db"] == []


def test_a_release_that_was_never_watched_has_nothing_to_export(tmp_path: Path):
    """
    An empty file would look like a release in which nothing happened.
    """

    async def write() -> None:
        ledger = SqlLedger(str(tmp_path / "ledger.db"))
        await ledger.ready()
        await ledger.open("r1", opened(), by="ada", at=after(0))
        await ledger.close()

    asyncio.run(write())

    done = run("ledger", "minutes", "r1", "--ledger", tmp_path / "ledger.db")

    assert done.exit_code == 2
    assert "r1 was not watched yet: no soak has begun" in done.stderr


def test_help_needs_nothing_heavy():
    """
    A program that takes a second to say how it is used is not asked.
    """
    code = (
        "import sys, phasegate.cli, phasegate.cli_judge, phasegate.cli_plan, phasegate.cli_ledger; "
        "print(*{'pydantic', 'prefect', 'numpy', 'pyarrow', 'rich', 'sqlalchemy'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.split() == []
