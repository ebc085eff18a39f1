"""Whole recordings as JSON and Parquet: nothing is lost, and a fault is named."""

import json
import sys
from pathlib import Path

import pytest

from phasegate.adapters.minutes_json import read_json, write_json
from phasegate.adapters.minutes_parquet import read_parquet, write_parquet
from phasegate.adapters.minutes_table import Choice
from phasegate.domain.errors import RecordingError, SettingsError
from phasegate.domain.recording import Recording
from tests.domain.judge_cases import after
from tests.recorded import plan_of, seen, streamed

pytestmark = pytest.mark.patient


def a_recording() -> Recording:
    """Twenty minutes of a release with one recorded verdict."""
    watched = seen(minutes=20)
    verdict = streamed(plan_of(), watched, after(12))
    return Recording(release="r1", plan=plan_of(), watched=(watched,), verdicts=(verdict,))


def without_queries(recording: Recording) -> Recording:
    """A table does not carry the words of the query."""
    watched = tuple(
        one.model_copy(
            update={"minutes": tuple(minute.model_copy(update={"query": ""}) for minute in one.minutes)}
        )
        for one in recording.watched
    )
    return recording.model_copy(update={"watched": watched})


def test_json_holds_everything(tmp_path: Path):
    """
    What is read is what was recorded, to the last query.
    """
    file = tmp_path / "r1.json"
    file.write_text(write_json(a_recording()))

    assert read_json(file) == a_recording()


def test_parquet_holds_the_table_and_the_rest_in_its_metadata(tmp_path: Path):
    """
    Other tools read the columns; a replay needs no second file.
    """
    file = tmp_path / "r1.parquet"
    write_parquet(a_recording(), file)

    assert read_parquet(file, plan=None, choice=Choice()) == without_queries(a_recording())


def test_a_parquet_table_of_others_is_read_like_their_csv(tmp_path: Path):
    """
    A data lake does not know this program.
    """
    arrow = pytest.importorskip("pyarrow")
    file = tmp_path / "lake.parquet"
    rows = [{"start": after(at), "version": v, "total": 5, "errors": 0} for at in (0, 1) for v in "ab"]
    pytest.importorskip("pyarrow.parquet").write_table(arrow.Table.from_pylist(rows), file)

    recording = read_parquet(file, plan=plan_of(), choice=Choice(canary="b"))

    assert recording.watched[0].control == "a"
    assert recording.watched[0].minutes[0].start == after(0)
    with pytest.raises(RecordingError, match="it carries no plan; add --plan NAME"):
        read_parquet(file, plan=None, choice=Choice(canary="b"))


def test_parquet_faults_name_row_and_column(tmp_path: Path):
    """
    A file without lines has rows.
    """
    arrow = pytest.importorskip("pyarrow")
    file = tmp_path / "lake.parquet"
    rows = [{"start": after(0), "version": "a", "total": 1.5, "errors": None}]
    pytest.importorskip("pyarrow.parquet").write_table(arrow.Table.from_pylist(rows), file)

    with pytest.raises(RecordingError) as error:
        read_parquet(file, plan=plan_of(), choice=Choice(canary="a"))

    assert f"{file}:1: total: '1.5' is not allowed; allowed: a whole number" in str(error.value)
    assert f"{file}:1: errors: nothing is not allowed" in str(error.value)


def test_without_pyarrow_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """
    It is an extra: most people never need it.
    """
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(SettingsError, match=r"install phasegate\[parquet\], or use --format csv or json"):
        write_parquet(a_recording(), tmp_path / "x.parquet")
    with pytest.raises(SettingsError, match=r"install phasegate\[parquet\]"):
        read_parquet(tmp_path / "x.parquet", plan=None, choice=Choice())


def test_no_parquet_is_told_as_such(tmp_path: Path):
    """
    A renamed CSV is a common mistake.
    """
    file = tmp_path / "x.parquet"
    file.write_text("start,version\n")

    with pytest.raises(RecordingError, match="no Parquet file"):
        read_parquet(file, plan=None, choice=Choice())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.update(format=2), "format: 2: Input should be 1"),
        (lambda d: d["watched"][0]["minutes"][3]["counts"][0].update(total=-1),
         "watched.0.minutes.3.counts.0.total: -1: Input should be greater than or equal to 0"),
        (lambda d: d["watched"][0].update(canary=""), "watched.0.canary: '': String should have at least 1"),
        (lambda d: d["watched"][0]["soaks"][0].update(phase="tenth"), "no phase of the plan: tenth; allowed"),
        (lambda d: d.update(extra=1), "extra: 1: Extra inputs are not permitted"),
        (lambda d: d.pop("watched"), "this is no recording; allowed: what `phasegate ledger minutes"),
    ],
)  # fmt: skip
def test_a_fault_in_json_names_field_and_value(tmp_path: Path, change, says: str):
    """
    A recording that was edited by hand is told where.
    """
    data = json.loads(write_json(a_recording()))
    change(data)
    file = tmp_path / "r1.json"
    file.write_text(json.dumps(data))

    with pytest.raises(RecordingError) as error:
        read_json(file)

    assert f"{file}: " in str(error.value)
    assert says in str(error.value)


def test_broken_json_names_line_and_column(tmp_path: Path):
    """
    A file that was cut off.
    """
    file = tmp_path / "r1.json"
    file.write_text('{"format": 1,\n "plan": ')

    with pytest.raises(RecordingError, match=r"r1.json:2: column 10: no JSON: Expecting value"):
        read_json(file)
