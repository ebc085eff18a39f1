"""``phasegate ledger``: what a person reads about a release."""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from typing import get_args

import pytest
from click.testing import CliRunner

from phasegate.adapters.ledger_sql import SqlLedger
from phasegate.cli_ledger import ledger as commands
from phasegate.domain import events as e
from phasegate.domain.events import Recorded
from phasegate.domain.ledger import first_break, replay
from phasegate.domain.verdict import Finding
from phasegate.domain.versions import Split
from phasegate.report.events_text import _WORDS, describe
from phasegate.report.ledger_text import elapsed, status
from tests.ledger_cases import (
    CANARY,
    MINUTE,
    STABLE,
    T0,
    asked,
    chained,
    good_release,
    judged,
    live,
    opened,
    rolled_back_release,
    shifted,
    soaking,
)

pytestmark = pytest.mark.patient


def run(*arguments, database):
    """Run a command on *database*."""
    return CliRunner().invoke(commands, [*arguments, "--ledger", str(database)])


async def _write(database, releases):
    ledger = SqlLedger(str(database))
    await ledger.ready()
    for release, events in releases.items():
        await ledger.open(release, events[0], by="ada", at=T0)
        for seq, event in enumerate(events[1:], start=1):
            await ledger.append(release, event, by="keeper@host:17", at=T0 + MINUTE * seq, expected=seq)
    await ledger.close()


@pytest.fixture
def database(ledger_file):
    """A ledger with a good release, one taken back, and one that soaks."""
    soaks = (opened(service="third"), e.PhaseBegan(phase="canary"), soaking("canary"))
    back = (opened(service="other"), *rolled_back_release()[1:])
    asyncio.run(_write(ledger_file, {"good": good_release(), "back": back, "soaks": soaks}))
    return ledger_file


def forge(database, sql):
    """Change history as somebody with the file can: guards away, then the change."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for guard in ("update", "delete"):
            connection.execute(f"DROP TRIGGER ledger_events_{guard}")
        connection.execute(sql)


def test_show_says_where_the_release_stands_and_what_happened(database):
    """
    Somebody woken at night reads one screen.
    """
    result = run("show", "back", database=database)

    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert "known good: v1" in lines
    assert "candidate:  v2" in lines
    assert "status:     ended: rolled-back" in lines
    assert "live split: v1 100 %" in lines
    assert "   14  2026-02-17 03:13:00    +0:13:00  keeper@host:17" in result.output
    assert "canary: rollback threshold exceeded: 8 % of requests failed" in result.output
    assert lines[-1].endswith("the release ended: rolled-back: v1 serves everybody")


def test_show_as_json_gives_rows_whose_chain_can_be_checked_elsewhere(database):
    """
    An auditor needs nothing of this program's screens.
    """
    for arguments in (("show", "good", "--json"), ("export", "good")):
        result = run(*arguments, database=database)

        rows = [Recorded.model_validate_json(line) for line in result.stdout.splitlines()]
        assert len(rows) == len(good_release())
        assert first_break(rows) == ""
        assert json.loads(result.stdout.splitlines()[0])["event"]["kind"] == "opened"


def test_list_shows_how_every_release_stands_or_ended(database):
    """
    Newest first, an active one with what it waits for.
    """
    result = run("list", database=database)

    rows = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert "active" in rows["soaks"]
    assert rows["soaks"].endswith("canary: soaks until 2026-02-17 05:00:00 UTC")
    assert "promoted, 2026-02-17 03:" in rows["good"]
    assert "rolled-back, " in rows["back"]


def test_verify_of_an_untouched_ledger_says_that_the_chain_holds(database):
    """
    The last hash can be noted elsewhere, so that a cut end is found too.
    """
    result = run("verify", database=database)

    assert result.exit_code == 0
    assert f"good: {len(good_release())} events, the chain holds (head " in result.stdout
    assert len(result.stdout.splitlines()) == 3
    assert run("verify", "good", database=database).stdout.splitlines() == [
        line for line in result.stdout.splitlines() if line.startswith("good:")
    ]


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("UPDATE ledger_events SET by = 'mallory' WHERE seq = 3", "row 3 (phase-began) was changed after"),
        ("DELETE FROM ledger_events WHERE seq = 3", "row 3 is missing: the next one is numbered 4"),
        ("UPDATE ledger_events SET event = '{}' WHERE seq = 3", "row 3 of release 'good' is no event"),
        ("DELETE FROM ledger_events WHERE kind = 'ended'", "says over, the events say otherwise"),
        ("DELETE FROM ledger_events WHERE release = 'good'", "it has no events"),
    ],
)
def test_verify_finds_what_was_changed_and_fails(database, sql, says):
    """
    A broken chain must stop a pipeline.
    """
    forge(database, sql.replace("WHERE seq", "WHERE release = 'good' AND seq"))

    result = run("verify", database=database)

    assert result.exit_code == 1
    assert says in result.stdout
    assert "soaks: 3 events, the chain holds" in result.stdout


def test_show_of_a_broken_chain_warns_and_shows_what_there_is(database):
    """
    Who investigates needs the rows, and must know that they cannot be trusted.
    """
    forge(database, "DELETE FROM ledger_events WHERE release = 'good' AND seq = 1")

    result = run("show", "good", database=database)

    assert "phasegate: the chain of 'good' is broken: row 1 is missing" in result.stderr
    assert "cannot be replayed" in result.stderr
    assert "run run-1 drives the release" in result.stdout


@pytest.mark.parametrize("command", ["show", "export", "verify"])
def test_an_unknown_release_is_answered_with_the_nearest_names(database, command):
    """
    Names are long and typed at night.
    """
    result = run(command, "gud", database=database)

    assert result.exit_code == 2
    assert result.stderr == "phasegate: release 'gud' is not in the ledger; nearest: good\n"
    assert result.stdout == ""


@pytest.mark.parametrize("arguments", [("list",), ("show", "r1"), ("verify",), ("export", "r1")])
def test_reading_never_creates_a_ledger(tmp_path, arguments):
    """
    A wrong path is a mistake to tell, not a new and empty history.
    """
    missing = tmp_path / "nowhere" / "ledger.db"

    result = run(*arguments, database=missing)

    assert result.exit_code == 2
    assert f"there is no ledger at {missing}; name it with --ledger or PHASEGATE_LEDGER" in result.stderr
    assert not missing.parent.exists()


def test_somebody_elses_database_is_no_ledger_and_stays_as_it_is(tmp_path):
    """
    SQLite files are everywhere.
    """
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE events (id)")

    result = run("list", database=file)

    assert result.exit_code == 2
    with closing(sqlite3.connect(file)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("events",)]


def test_follow_prints_what_is_added_until_the_release_has_ended(database):
    """
    It watches a release from a terminal or a pipeline and ends by itself.
    """
    command = "from phasegate.cli_ledger import ledger; ledger()"
    environment = {**os.environ, "PHASEGATE_LEDGER": str(database)}
    with subprocess.Popen(
        [sys.executable, "-uc", command, "show", "soaks", "--follow"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            assert process.stdout is not None
            while "canary: soaks for 2h" not in (line := process.stdout.readline()):
                assert line, "it ended too early"
            asyncio.run(_end(database))
            rest, _ = process.communicate(timeout=20)
        finally:
            process.kill()

    assert process.returncode == 0
    assert [line.split()[0] for line in rest.splitlines()] == ["4", "5"]
    assert "the release ended: rolled-back: by hand" in rest


async def _end(database):
    ledger = SqlLedger(str(database))
    ended = e.Ended(outcome=e.Outcome.ROLLED_BACK, summary="by hand")
    for event in (e.AbortAsked(by="ada", reason="enough"), ended):
        await ledger.append("soaks", event, by="ada", at=T0 + timedelta(hours=1), expected=None)
    await ledger.close()


def test_every_event_has_words():
    """
    An event that the screen cannot show is one that nobody sees.
    """
    kinds = {get_args(kind.model_fields["kind"].annotation)[0] for kind in get_args(get_args(e.Event)[0])}

    assert set(_WORDS) == kinds


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (opened(service="api", reason="r"),
         "release of v2 to api opened by ada: r; known good is v1, live is v1 100 %"),
        (shifted(10)[0], "about to set spring-rate-api to v2 10 %, v1 90 %: promoted"),
        (judged("canary", Finding.HARMFUL), "canary: final verdict: harmful: 8 % of requests failed"),
        (e.Drifted(expected=Split.whole(STABLE.id), found=live(Split.whole("99999999-x"))),
         "somebody else changed the traffic: expected v1 100 %; found 99999999 100 %"),
        (e.ShareSeen(phase="canary", observed=None, weight=10, followed=False),
         "canary: no traffic seen yet at a weight of 10 %"),
        (e.Noted(text="two\nlines"), "two lines"),
    ],
)  # fmt: skip
def test_an_event_is_one_line_in_the_words_of_the_field(event, says):
    """
    Versions are called as people call them.
    """
    assert describe(event, tags={STABLE.id: "v1", CANARY.id: "v2"}) == says


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ((), "at work"),
        ((e.PhaseBegan(phase="canary"), soaking("canary")), "soaks until 2026-02-17 05:00:00 UTC"),
        ((asked(),), "waits for engineering-lead, product-owner until 2026-02-17 07:00:00 UTC"),
        ((asked(), e.AbortAsked(by="ada", reason="no")), "being taken back: ada: no"),
        ((e.AbortAsked(by="ada", reason="no"), *shifted(0)), "taken back, recovery is watched: ada: no"),
    ],
)
def test_the_status_says_what_is_being_waited_for(events, says):
    """
    An abort comes before every question.
    """
    assert status(replay(chained((opened(), *events)))) == says


def test_elapsed_time_is_written_so_that_it_can_be_compared():
    """
    A soak takes days, a clock may run behind.
    """
    assert elapsed(timedelta(0)) == "+0:00:00"
    assert elapsed(timedelta(days=2, hours=1, minutes=5, seconds=9)) == "+2d 1:05:09"
    assert elapsed(timedelta(seconds=-61)) == "-0:01:01"
