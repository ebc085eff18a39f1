"""`phasegate plan show PLAN --traffic`: what a plan can see, before it is used."""

import json

import pytest
from click.testing import CliRunner

from phasegate.cli_plan import plan

pytestmark = pytest.mark.patient


def run(*arguments: str):
    return CliRunner(env={"PHASEGATE_PLANS": None}).invoke(plan, ["show", "production", *arguments])


def test_a_traffic_shows_what_is_seen_proved_and_stopped():
    """
    Plain text without a terminal; warnings stand on lines of their own.
    """
    done = run("--traffic", "720rpm")

    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.stdout
    assert "production at 12 requests/s, 0.05% of them failing" in done.stdout
    for words in (
        "8,280 in 1h55m",
        "0.166 % in half of",
        "16m44s (844 requests)",
        "5,876 requests",
        "from 5.56 %",
    ):
        assert words in done.stdout
    assert "warning: staging: error rate < 0.1 % is not proved: it takes 43,981 requests" in done.stdout


def test_json_carries_the_same_numbers():
    """
    A pipeline can refuse what this command only warns about; a cleaner service gets no warning.
    """
    done = run("--traffic", "12rps", "--base-error-rate", "0.01%", "--json")

    found = json.loads(done.stdout)
    canary = next(one for one in found["phases"] if one["phase"] == "canary")
    assert found["traffic"]["rps"] == 12
    assert canary["requests"] == 8280
    assert canary["criteria"][0]["base"] == 0.0001
    assert canary["criteria"][0]["seen"]["half"] < canary["criteria"][0]["seen"]["likely"] < 0.01
    assert canary["limits"][0]["windows"][0] == {"intervals": 1, "requests": 72, "bad": 4, "rate": 4 / 72}
    assert found["warnings"] == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--traffic", "12"), "--traffic: '12' is not a traffic; write requests per second, minute or hour"),
        (("--traffic", "0rps"), "more than 0 and at most 10,000,000rps"),
        (("--traffic", "1rps", "--base-error-rate", "5"), "--base-error-rate: '5' is not a rate"),
        (("--traffic", "1rps", "--base-error-rate", "0%"), "allowed: more than 0 % and less than 100 %"),
        (("--traffic", "1rps", "--service", "x"), "give one of them"),
        (("--json",), "add --traffic 12rps or --service NAME"),
        (("--service", "x", "--hours", "0"), "--hours: 0; allowed: more than 0, at most 168"),
    ],
)
def test_a_bad_option_is_named_with_what_is_allowed(arguments: tuple[str, ...], says: str):
    """
    Exit code 2: the one who typed it can correct it.
    """
    done = run(*arguments)

    assert done.exit_code == 2
    assert says in done.stderr
    assert done.stderr.startswith("phasegate: ")
