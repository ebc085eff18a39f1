"""Load plans and mix files: what is accepted, and what is said about the rest."""

from datetime import timedelta
from pathlib import Path

import pytest
from load_server import HELLO

from phasegate.adapters.load import LoadPlan, Request
from phasegate.adapters.load_plan import LoadPlanError, plan_from_file, read_mix

pytestmark = pytest.mark.patient

TRAFFIC = Path(__file__).resolve().parents[2] / "examples" / "spring-rate-api" / "traffic.json"
MINE = Request(method="GET", path="/mine", needs_session=True)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"rate": 0.0}, "rate is above 0"),
        ({"rate": float("nan")}, "rate is above 0"),
        ({"seconds": 0}, "duration is at most"),
        ({"max_in_flight": 0}, "max_in_flight is from 1"),
        ({"timeout": timedelta(0)}, "timeout is at most"),
        ({"mix": ()}, "mix: requests"),
        ({"mix": (MINE,)}, "needs a session"),
    ],
)
def test_an_impossible_plan_is_refused(change, rule):
    """
    Before anything is sent, with the rule in the message.
    """
    duration = timedelta(seconds=change.pop("seconds", 1))

    with pytest.raises(LoadPlanError, match=rule):
        LoadPlan(**{"rate": 1.0, "duration": duration, "mix": (HELLO,)} | change)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not JSON"),
        ('{"requests": []}', "requests: "),
        ('{"requests": [{"method": "GET", "path": "hello"}]}', r"requests\.0\.path: "),
        ('{"requests": [{"method": "BREW", "path": "/"}]}', r"requests\.0\.method: "),
        ('{"requests": [{"method": "GET", "path": "/", "wieght": 1}]}', r"requests\.0\.wieght: "),
        ('{"requests": [{"method": "GET", "path": "/", "weight": 0}]}', "weight above 0"),
    ],
)
def test_a_wrong_mix_file_is_refused(tmp_path, text, reason):
    """
    The message names the file and the field.
    """
    file = tmp_path / "mix.json"
    file.write_text(text)

    with pytest.raises(LoadPlanError, match=rf"mix\.json: .*{reason}"):
        read_mix(file)


def test_the_sample_service_has_a_mix():
    """
    The file in the examples is one the generator reads.
    """
    plan = plan_from_file(
        TRAFFIC, rate=100, duration=timedelta(minutes=5), threshold=timedelta(milliseconds=500), headers={}
    )

    assert len({request.endpoint for request in plan.mix}) == 10
    assert plan.starts == 30_000
