"""``phasegate backtest`` from the outside."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from phasegate.cli_backtest import backtest

pytestmark = pytest.mark.patient

FAST = ("--rollouts", "5", "--traffic", "5rps", "--regression", "50%")


def test_every_judge_is_told_for_good_and_bad_versions():
    """
    A table of one judge says nothing about whether another would do better.
    """
    result = CliRunner().invoke(backtest, ["production", *FAST])

    assert result.exit_code == 0, result.output
    for name in ("phasegate", "Argo-like", "Flagger-like", "Kayenta-like", "z-test", "mSPRT"):
        assert result.output.count(name) == 2
    assert "95 % interval" in result.output


def test_machines_get_figures():
    """
    JSON alone on standard output, with what most rollouts did not live to see as null.
    """
    result = CliRunner().invoke(backtest, ["production", *FAST, "--json"])

    rows = json.loads(result.stdout)["simulated"]
    ours = [row for row in rows if row["judge"] == "phasegate"]
    assert [(row["regression"], row["of"]) for row in ours] == [("A/A", 5), ("50%", 5)]
    assert ours[0]["median"] is None
    assert ours[1]["taken_back"] == 5


def test_a_table_of_minutes_is_judged_by_all(tmp_path: Path):
    """
    "Would this plan have caught last month's incident?" is one command and a file.
    """
    result = CliRunner().invoke(
        backtest,
        ["production", str(_incident(tmp_path)), "--harmful-from", "10m", "--json"],
    )

    assert result.exit_code == 0, result.output
    found = {row["judge"]: row for row in json.loads(result.stdout)["recorded"]}
    assert found["phasegate"]["taken_back"] == 1
    assert found["phasegate"]["median"] <= 3
    assert found["failed-checks (Flagger-like)"]["median"] == 5


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--traffic", "10", "--traffic: '10' is not a traffic; write requests per second"),
        ("--regression", "worse", "--regression: 'worse' is not allowed; allowed: A/A, x2"),
        ("--disturbance", "rain", "--disturbance: 'rain' is not allowed; allowed: none, burst"),
        ("--errors", "2", "--errors: '2' is not a rate"),
    ],
)
def test_what_is_wrong_is_named(option: str, value: str, said: str):
    """
    One line with the place and what is allowed, and exit code 2.
    """
    result = CliRunner().invoke(backtest, ["production", option, value])

    assert result.exit_code == 2
    assert said in result.output


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    """
    No traceback for a typing error.
    """
    result = CliRunner().invoke(backtest, ["production", str(tmp_path / "none.csv")])

    assert result.exit_code == 2
    assert "none.csv" in result.output


def _incident(folder: Path) -> Path:
    """Half an hour in which the canary begins to fail every tenth request after ten minutes."""
    rows = ["start,version,role,phase,total,errors"]
    for at in range(30):
        start = f"2026-01-01T00:{at:02}:00Z"
        rows.append(f"{start},new,canary,canary,100,{10 if at >= 10 else 0}")
        rows.append(f"{start},old,control,canary,900,0")
    file = folder / "incident.csv"
    file.write_text("\n".join(rows) + "\n")
    return file
