"""Tables of minutes, ours and other people's: what is read, and how a fault is named."""

from pathlib import Path

import pytest

from phasegate.adapters.minutes_csv import read_csv, write_csv
from phasegate.adapters.minutes_table import Choice
from phasegate.domain.errors import RecordingError
from phasegate.domain.observation import Minute
from tests.domain.judge_cases import CANARY, MINUTE, STABLE, a_plan, after
from tests.recorded import plan_of, seen

pytestmark = pytest.mark.patient

GOOD = """\
start,version,endpoint,total,errors,slow_500
2026-02-17T03:00:00Z,old,/a,600,1,3
2026-02-17T03:01:00Z,old,/a,540,0,2
2026-02-17T03:01:00Z,new,/a,60,2,
"""


def read(tmp_path: Path, text: str | bytes, **choice: object):
    """The recording in a file with *text*."""
    file = tmp_path / "m.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_csv(file, plan=plan_of(), choice=Choice(**{"canary": "new", **choice}))


def test_what_is_written_is_read_again(tmp_path: Path):
    """
    Also an interval in which nobody was served, and rows that named no version.
    """
    watched = seen(minutes=20)
    empty = Minute(start=after(20), length=MINUTE, unattributed=3)
    watched = watched.model_copy(update={"minutes": (*watched.minutes, empty)})

    recording = read(tmp_path, write_csv(watched), canary="")

    again = recording.production
    assert again is not None
    # A table does not know that the soak began within the first interval: it is history there.
    written = (*watched.history, *watched.minutes)
    plain = tuple(minute.model_copy(update={"query": ""}) for minute in written)
    assert (*again.history, *again.minutes) == plain
    assert len(again.history) == len(watched.history) + 1
    assert (again.canary, again.control) == (CANARY, STABLE)
    assert [(soak.phase, soak.since, soak.until) for soak in again.soaks] == [("canary", after(1), after(21))]


def test_a_table_made_by_hand_needs_only_the_canary_named(tmp_path: Path):
    """
    The one other version is the control; intervals before the canary's first request are history.
    """
    watched = read(tmp_path, GOOD).production

    assert watched is not None
    assert (watched.canary, watched.control) == ("new", "old")
    assert [minute.start for minute in watched.history] == [after(0)]
    assert [(soak.phase, soak.since) for soak in watched.soaks] == [("canary", after(1))]
    assert watched.minutes[0].counts[1].slow == ()
    assert watched.history[0].counts[0].slow == ((500, 3),)
    assert watched.probes is None


def test_recorded_intervals_are_complete_and_as_long_as_they_are_apart(tmp_path: Path):
    """
    Nothing is waited for in a file, and a bucket of five minutes is no minute.
    """
    text = GOOD.replace("03:01", "03:05")

    recording = read(tmp_path, text)

    assert recording.plan.interval == 5 * MINUTE
    assert recording.plan.telemetry.settle == 0 * MINUTE


@pytest.mark.parametrize("sign", [";", "\t"])
def test_spreadsheets_of_other_countries_are_read(tmp_path: Path, sign: str):
    """
    Byte order mark, semicolons or tabs, carriage returns: the same table.
    """
    text = "\ufeff" + GOOD.replace(",", sign).replace("\n", "\r\n")

    assert read(tmp_path, text).production == read(tmp_path, GOOD).production


def test_columns_are_named_by_whoever_made_the_file(tmp_path: Path):
    """
    Nobody rewrites an export of a monitoring tool by hand.
    """
    text = GOOD.replace("start,", "ts,").replace("slow_500", "over_half_a_second")

    renamed = read(tmp_path, text, columns={"start": "ts", "slow_500": "over_half_a_second"})

    assert renamed.production == read(tmp_path, GOOD).production


def test_a_phase_column_says_when_each_soak_began(tmp_path: Path):
    """
    One file can hold a whole release.
    """
    rows = ["start,phase,role,version,total,errors", "2026-02-17T03:00:00Z,,control,old,600,0"]
    for at, phase in enumerate(("canary", "canary", "partial"), start=1):
        for role, version in (("control", "old"), ("canary", "new")):
            rows.append(f"2026-02-17T03:0{at}:00Z,{phase},{role},{version},300,0")

    watched = read(tmp_path, "\n".join(rows), canary="").production

    assert watched is not None
    assert [(soak.phase, soak.since, soak.until) for soak in watched.soaks] == [
        ("canary", after(1), after(3)),
        ("partial", after(3), after(4)),
    ]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("600,1,3", "many,1,3", "m.csv:2: total: 'many' is not allowed; allowed: a whole number, 0 or more"),
        ("600,1,3", "600,-1,3", "m.csv:2: errors: '-1' is not allowed"),
        ("600,1,3", "600,,3", "m.csv:2: errors: nothing is not allowed"),
        ("540,0,2", "540,0,x", "m.csv:3: slow_500: 'x' is not allowed; allowed: a whole number"),
        ("2026-02-17T03:00:00Z", "yesterday", "m.csv:2: start: 'yesterday' is not allowed; allowed: a time"),
        ("version", "version,length", "m.csv:2: length: '/a' is not allowed"),
        ("600,1,3", "600,1,3,9", "m.csv:2: more cells than columns; allowed: 6"),
        ("total", "requests", "m.csv:1: no column 'total'; the file has start, version, endpoint, requests"),
        ("slow_500", "total", "m.csv:1: two columns have the same name"),
        ("new", "newer", "m.csv: no canary 'new'; say which version it is with --canary; its versions are"),
    ],
)  # fmt: skip
def test_a_fault_names_file_line_column_value_and_what_is_allowed(
    tmp_path: Path, old: str, new: str, says: str
):
    """
    The one who made the file corrects it without reading this program.
    """
    text = GOOD.replace(old, new, 1)

    with pytest.raises(RecordingError) as error:
        read(tmp_path, text)

    assert says in str(error.value)


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"canary": ""}, "no canary ''; say which version it is with --canary; its versions are new, old"),
        ({"control": "v9"}, "no control 'v9'; say which version it is with --control"),
        ({"control": "new"}, "no control 'new'"),
        ({"phase": "tenth"}, "--phase: 'tenth' is not allowed; allowed: canary, partial, full"),
        ({"columns": {"when": "start"}}, "--column when: no such column; allowed: start, version, total"),
        ({"columns": {"total": "hits"}}, "--column total=hits: no column 'hits'; the file has start"),
    ],
)
def test_a_wrong_choice_is_named_with_what_the_file_has(tmp_path: Path, choice: dict, says: str):
    """
    The names stand in the file, and the message shows them.
    """
    with pytest.raises(RecordingError) as error:
        read(tmp_path, GOOD, **choice)

    assert says in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "m.csv:1: no column 'start'"),
        ("start,version,total,errors\n", "m.csv: there is no row in it"),
        (b"start\xff,version", "m.csv: byte 5 is not UTF-8"),
        ("start,version,total,errors\n2026-02-17T03:00Z,new,0,0\n", "the canary 'new' has no request in it"),
        (
            "start,version,total,errors,phase\n2026-02-17T03:00Z,new,9,0,ten\n",
            "m.csv:2: phase: 'ten' is not allowed; allowed: canary, partial, full, each in one block",
        ),
    ],
)
def test_a_file_with_nothing_to_judge_says_so(tmp_path: Path, text: str | bytes, says: str):
    """
    An empty export is a mistake, not a healthy release.
    """
    with pytest.raises(RecordingError) as error:
        read(tmp_path, text)

    assert says in str(error.value)


def test_intervals_that_overlap_are_refused(tmp_path: Path):
    """
    A request that is counted twice is worse than one that is missing.
    """
    rows = "".join(f"2026-02-17T03:00:{at:02}Z,1m,new,5,0\n" for at in (0, 30))

    with pytest.raises(
        RecordingError, match=r"m.csv:3: start: 2026-02-17T03:00:30\+00:00 lies in the interval"
    ):
        read(tmp_path, f"start,length,version,total,errors\n{rows}")


def test_many_faults_are_told_up_to_twenty(tmp_path: Path):
    """
    A wrong column is wrong in every row.
    """
    rows = "".join(f"2026-02-17T03:{at:02}:00Z,new,/a,x,0,\n" for at in range(30))

    with pytest.raises(RecordingError) as error:
        read(tmp_path, GOOD.split("\n", 1)[0] + "\n" + rows)

    lines = str(error.value).splitlines()
    assert len(lines) == 21
    assert lines[-1].endswith("… and 10 more")


def test_the_plan_of_the_file_is_the_given_one(tmp_path: Path):
    """
    Whatever its name.
    """
    assert read(tmp_path, GOOD).plan.name == a_plan().name
