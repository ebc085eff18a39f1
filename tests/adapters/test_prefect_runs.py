"""The orchestrator over HTTP, where no real server can be made to behave so: away, or losing an answer."""

import uuid

import pytest
from loopback import Reply, serve
from pydantic import SecretStr

from phasegate.adapters.prefect_runs import PrefectRuns
from phasegate.domain.errors import Refused, RunsAway
from phasegate.ports import RunStatus


def the_runs(api_url: str, *, timeout: float = 20) -> PrefectRuns:
    return PrefectRuns(api_url, auth=SecretStr(""), ui_url="", timeout=timeout)


async def test_prefect_away_is_said_so():
    """
    Nothing listens: the keeper goes on, and a person reads which address did not answer.
    """
    runs = the_runs("http://127.0.0.1:9/api", timeout=2)

    with pytest.raises(RunsAway, match=r"http://127\.0\.0\.1:9/api did not answer"):
        await runs.status(str(uuid.uuid4()))

    await runs.aclose()


async def test_a_lost_answer_is_read_before_the_resume_is_sent_again():
    """
    A reset connection does not say whether it acted; a second resume could hit the next gate.
    """
    run, states = str(uuid.uuid4()), ["Suspended"]

    def reply(method: str, path: str, _body: bytes) -> Reply | None:
        if path.endswith("/resume"):
            states.append("Resuming")
            return None
        kind = "PAUSED" if states[-1] == "Suspended" else "SCHEDULED"
        return Reply(200, {"id": run, "state_type": kind, "state_name": states[-1], "state": {}})

    async with serve(reply) as server:
        runs = the_runs(f"{server.url}/api")

        woken = await runs.wake(run)

        await runs.aclose()
    assert woken
    assert [path for _, path in server.calls if path.endswith("/resume")] == [f"/api/flow_runs/{run}/resume"]


@pytest.mark.parametrize(("stored", "refused"), [("ada", False), ("grace", True)])
async def test_a_lost_answer_counts_only_when_it_is_the_stored_one(stored, refused):
    """
    The connection broke after somebody's answer was taken: was it this one?
    """
    run, states = str(uuid.uuid4()), ["PAUSED"]
    keys = {"run_input_keyset": {"response": "gate-response", "schema": "gate-schema"}}

    def reply(method: str, path: str, _body: bytes) -> Reply | None:
        if path.endswith("/resume"):
            states.append("SCHEDULED")
            return None
        if path.endswith("/input/gate-response"):
            return Reply(200, {"approver": stored})
        name = "Suspended" if states[-1] == "PAUSED" else "Resuming"
        state = {"state_details": keys}
        return Reply(200, {"id": run, "state_type": states[-1], "state_name": name, "state": state})

    async with serve(reply) as server:
        runs = the_runs(f"{server.url}/api")

        if refused:
            with pytest.raises(Refused, match="does not wait for an answer"):
                await runs.answer(run, {"approver": "ada"})
        else:
            await runs.answer(run, {"approver": "ada"})

        await runs.aclose()
    assert sum(path.endswith("/resume") for _, path in server.calls) == 1


async def test_a_locked_database_is_tried_again():
    """
    A SQLite server answers 503 under load; reading again is harmless.
    """
    run, answers = str(uuid.uuid4()), [Reply(503, {"detail": "database is locked"})] * 2

    def reply(method: str, path: str, _body: bytes) -> Reply | None:
        known = {"id": run, "state_type": "RUNNING", "state_name": "Running"}
        return answers.pop() if answers else Reply(200, known)

    async with serve(reply) as server:
        runs = the_runs(f"{server.url}/api")

        status = await runs.status(run)

        await runs.aclose()
    assert status is RunStatus.ACTIVE
    assert len(server.calls) == 3


async def test_the_link_opens_the_page_with_the_resume_button():
    """
    People come from a notification and must find the button.
    """
    runs = the_runs("https://prefect.example/api")

    assert runs.run_url("abc") == "https://prefect.example/runs/flow-run/abc"
    await runs.aclose()
