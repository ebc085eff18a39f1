"""The orchestrator over HTTP, against a real Prefect server with credentials and CSRF."""

import asyncio
import json
import subprocess
import sys
import textwrap
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from loopback import Reply, serve
from prefect_server import PrefectServer
from pydantic import SecretStr

from phasegate.adapters.prefect_runs import PrefectRuns
from phasegate.domain.errors import FixTheInput, Refused, RunsAway, SettingsError
from phasegate.ports import RunStatus

SCHEMA = {
    "type": "object",
    "properties": {
        "decision": {"type": "string", "enum": ["approve", "reject"]},
        "approver": {"type": "string", "minLength": 3},
    },
    "required": ["decision", "approver"],
}
PARAMETERS = {
    "type": "object",
    "properties": {
        "release": {"type": "string", "position": 0},
        "reason": {"type": "string", "position": 1},
        "weight": {"type": "integer", "maximum": 100, "position": 2},
    },
}
ASKED = {"service": "spring-rate-api", "reason": "a test", "requested_by": "ada"}


@dataclass(frozen=True)
class Prefect:
    """The same server, as a test sees it: reads and forces states past our adapter."""

    server: PrefectServer
    client: httpx.Client

    def deploy(self, name: str, *, entrypoint: str = "", path: str = "") -> str:
        flow = self._post("/flows/", {"name": name})["id"]
        body = {
            "name": name,
            "flow_id": flow,
            "entrypoint": entrypoint or None,
            "path": path or None,
            "parameter_openapi_schema": PARAMETERS,
            "enforce_parameter_schema": not entrypoint,
        }
        return str(self._post("/deployments/", body)["id"])

    def force(self, run: str, kind: str, name: str = "", **details: Any) -> None:
        state = {"type": kind, "name": name or None, "state_details": details}
        self._post(f"/flow_runs/{run}/set_state", {"state": state, "force": True})

    def suspend(self, run: str, *, form: dict[str, Any] | None = None) -> None:
        details: dict[str, Any] = {"pause_reschedule": True, "pause_key": "gate"}
        if form is not None:
            details["run_input_keyset"] = {"response": "gate-response", "schema": "gate-schema"}
        self.force(run, "PAUSED", "Suspended", **details)
        if form:
            self.show(run, form)

    def show(self, run: str, form: dict[str, Any]) -> None:
        self._post(f"/flow_runs/{run}/input", {"key": "gate-schema", "value": json.dumps(form)})

    def run(self, run: str) -> dict[str, Any]:
        return dict(self.client.get(f"/flow_runs/{run}").raise_for_status().json())

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def _post(self, path: str, body: Any) -> Any:
        response = self.client.post(path, json=body).raise_for_status()
        return response.json() if response.content else None


@pytest.fixture(scope="module")
def prefect(prefect_server: PrefectServer) -> Iterator[Prefect]:
    name = uuid.uuid4().hex
    user, password = prefect_server.auth.split(":")
    with httpx.Client(base_url=prefect_server.api_url, auth=(user, password), timeout=30) as client:
        token = client.get("/csrf-token", params={"client": name}).raise_for_status().json()["token"]
        client.headers.update({"Prefect-Csrf-Client": name, "Prefect-Csrf-Token": token})
        prefect = Prefect(prefect_server, client)
        prefect.deploy("release")
        prefect.deploy("rollback")
        yield prefect


@pytest.fixture
async def runs(prefect: Prefect) -> AsyncIterator[PrefectRuns]:
    runs = the_runs(prefect.server.api_url)
    yield runs
    await runs.aclose()


def the_runs(api_url: str, *, auth: str = "ada:lovelace", timeout: float = 20, **names: str) -> PrefectRuns:
    return PrefectRuns(api_url, auth=SecretStr(auth), ui_url="", timeout=timeout, **names)


def a_release() -> str:
    return f"rel-{uuid.uuid4().hex[:8]}"


async def a_run(runs: PrefectRuns) -> str:
    return await runs.start({"release": a_release()}, idempotency_key=uuid.uuid4().hex)


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("SCHEDULED", "Late", RunStatus.ACTIVE),
        ("PENDING", "Submitting", RunStatus.ACTIVE),
        ("RUNNING", "Running", RunStatus.ACTIVE),
        ("PAUSED", "Suspended", RunStatus.SUSPENDED),
        ("PAUSED", "Paused", RunStatus.ACTIVE),
        ("CANCELLING", "Cancelling", RunStatus.CANCELLED),
        ("CANCELLED", "Cancelled", RunStatus.CANCELLED),
        ("FAILED", "Failed", RunStatus.LOST),
        ("CRASHED", "Crashed", RunStatus.LOST),
        ("COMPLETED", "Completed", RunStatus.DONE),
    ],
)
async def test_each_state_has_one_meaning(prefect, runs, kind, name, expected):
    """
    The keeper acts on what a run's state means, so each of Prefect's is pinned down.
    """
    run = await a_run(runs)
    prefect.force(run, kind, name)

    status = await runs.status(run)

    assert status is expected


async def test_a_run_that_prefect_does_not_know_is_unknown(runs):
    """
    A deleted run is a finding, not an outage.
    """
    assert await runs.status(str(uuid.uuid4())) is RunStatus.UNKNOWN
    assert await runs.status("not-an-id") is RunStatus.UNKNOWN


async def test_a_wrong_address_does_not_look_like_a_lost_run(prefect):
    """
    A 404 of something else must never have a release rolled back.
    """
    runs = the_runs(prefect.server.api_url.removesuffix("/api") + "/api/nowhere")

    with pytest.raises(RunsAway, match="API's address"):
        await runs.status(str(uuid.uuid4()))

    await runs.aclose()


async def test_a_run_that_waits_without_input_is_woken(prefect, runs):
    """
    A soak's end is reached without a person.
    """
    run = await a_run(runs)
    prefect.suspend(run)

    woken = await runs.wake(run)

    assert woken
    assert prefect.run(run)["state_name"] == "Resuming"
    assert not await runs.wake(run)


async def test_a_run_that_waits_for_a_person_is_not_woken(prefect, runs):
    """
    A gate is answered with a form; the keeper does not press its button.
    """
    run = await a_run(runs)
    prefect.suspend(run, form=SCHEMA)

    woken = await runs.wake(run)

    assert not woken
    assert await runs.input_wanted(run)
    assert prefect.run(run)["state_name"] == "Suspended"


async def test_an_answer_resumes_the_run_with_its_input(prefect, runs):
    """
    What a person typed is what the flow reads.
    """
    run = await a_run(runs)
    prefect.suspend(run, form=SCHEMA)

    await runs.answer(run, {"decision": "approve", "approver": "ada"})

    stored = prefect.get(f"/flow_runs/{run}/input/gate-response").json()
    assert stored == {"decision": "approve", "approver": "ada"}
    assert not await runs.input_wanted(run)


async def test_a_refused_answer_is_told_in_words(prefect, runs):
    """
    Prefect refuses with HTTP 200; the person must still learn which field is wrong.
    """
    run = await a_run(runs)
    prefect.suspend(run, form=SCHEMA)

    with pytest.raises(Refused, match="field 'approver' is missing"):
        await runs.answer(run, {"decision": "approve"})
    with pytest.raises(Refused, match="'maybe' is not one of"):
        await runs.answer(run, {"decision": "maybe", "approver": "ada"})


async def test_nobody_answers_a_run_that_does_not_wait(prefect, runs):
    """
    The first answer wins, and the second person is told so.
    """
    run = await a_run(runs)
    prefect.suspend(run, form=SCHEMA)
    await runs.answer(run, {"decision": "reject", "approver": "ada"})

    with pytest.raises(Refused, match="does not wait for an answer"):
        await runs.answer(run, {"decision": "approve", "approver": "grace"})


async def test_an_answer_waits_for_the_form_to_appear(prefect, runs, monkeypatch):
    """
    The state is visible before the form is stored, and a fast client falls into that gap.
    """
    run = await a_run(runs)
    prefect.suspend(run, form={})
    resume = PrefectRuns._resume

    async def resume_then_show(self: PrefectRuns, *call: Any) -> tuple[bool, str]:
        said = await resume(self, *call)
        if "schema not found" in said[1]:
            prefect.show(run, SCHEMA)
        return said

    monkeypatch.setattr(PrefectRuns, "_resume", resume_then_show)

    await runs.answer(run, {"decision": "approve", "approver": "ada"})

    assert prefect.run(run)["state_name"] == "Resuming"


async def test_the_same_key_starts_one_run(prefect, runs):
    """
    CI that sends its request again must not release twice.
    """
    key = uuid.uuid4().hex

    first = await runs.start({"release": "r"}, idempotency_key=key)
    second = await runs.start({"release": "r"}, idempotency_key=key)

    assert first == second
    assert prefect.run(first)["parameters"]["release"] == "r"


async def test_a_wrong_parameter_is_named(runs):
    """
    Whoever typed it must see which field and what is allowed.
    """
    with pytest.raises(FixTheInput, match=r"weight: 500 is greater than the maximum of 100"):
        await runs.start({"weight": 500}, idempotency_key=uuid.uuid4().hex)


async def test_taking_up_twice_starts_one_run(prefect, runs):
    """
    Two keepers may find the same dead run in the same moment.
    """
    release = a_release()

    first = await runs.take_up(release, **ASKED)
    second = await runs.take_up(release, **ASKED)

    assert first == second
    assert prefect.run(first)["parameters"] == {"release": release, **ASKED}
    assert {"phasegate", release} <= set(prefect.run(first)["tags"])


async def test_two_keepers_take_up_one_run(prefect, runs):
    """
    They count the same dead runs, so they name the same key, and Prefect keeps one.
    """
    release, other = a_release(), the_runs(prefect.server.api_url)

    first, second = await asyncio.gather(runs.take_up(release, **ASKED), other.take_up(release, **ASKED))

    await other.aclose()
    assert first == second


async def test_each_new_death_is_taken_up_again(prefect, runs):
    """
    An idempotency key lives for ever in Prefect; the second death needs another one.
    """
    release = a_release()
    first = await runs.take_up(release, **ASKED)
    prefect.force(first, "CRASHED")

    second = await runs.take_up(release, **ASKED)

    assert second != first
    assert await runs.take_up(release, **ASKED) == second


async def test_a_rollback_is_started_once(prefect, runs):
    """
    Hook and keeper may both ask; a rollback that is done is not done again, a dead one is.
    """
    release = a_release()
    first = await runs.roll_back(release, reason="error rate 8 %")
    prefect.force(first, "CRASHED")

    second = await runs.roll_back(release, reason="error rate 8 %")
    prefect.force(second, "COMPLETED")

    assert second != first
    assert await runs.roll_back(release, reason="again") == second
    assert prefect.run(second)["parameters"] == {"release": release, "reason": "error rate 8 %"}


async def test_an_artifact_is_shown_with_its_run(prefect, runs):
    """
    A verdict is published under a stable key, with whatever characters phase names have.
    """
    run = await a_run(runs)
    key = f"Verdict {run[:8]}"

    await runs.publish(run, key=key, markdown="# One\n")
    await runs.publish(run, key=key, markdown="# Two\n")

    latest = prefect.get(f"/artifacts/verdict-{run[:8]}/latest").json()
    assert latest["data"] == "# Two\n"
    assert latest["flow_run_id"] == run


async def test_a_suspended_run_is_cancelled_at_once(prefect, runs):
    """
    The run of a release that was rolled back without it must not wait for ever.
    """
    run = await a_run(runs)
    prefect.suspend(run, form=SCHEMA)

    await runs.cancel(run)
    await runs.cancel(run)

    assert prefect.run(run)["state_type"] in ("CANCELLED", "CANCELLING")


async def test_a_wrong_password_is_away_for_the_keeper_and_a_setting_for_a_person(prefect):
    """
    A rotated password must not stop the watch; the one who starts a release must correct it.
    """
    runs = the_runs(prefect.server.api_url, auth="ada:wrong")

    with pytest.raises(RunsAway, match="PHASEGATE_PREFECT_AUTH") as away:
        await runs.status(str(uuid.uuid4()))
    with pytest.raises(SettingsError, match="PHASEGATE_PREFECT_AUTH"):
        await runs.start({}, idempotency_key="k")

    assert "wrong" not in str(away.value).replace("refuses", "")
    await runs.aclose()


async def test_a_missing_deployment_names_the_command_that_makes_it(prefect):
    """
    The first thing forgotten is to deploy the flows.
    """
    runs = the_runs(prefect.server.api_url, release_deployment="release/nowhere")

    with pytest.raises(SettingsError, match=r"no deployment 'release/nowhere'; `prefect --no-prompt deploy"):
        await runs.start({}, idempotency_key="k")

    await runs.aclose()


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


async def test_a_soak_is_not_answered(prefect, runs):
    """
    A run that waits for a time would be woken too early by an answer that nobody reads.
    """
    run = await a_run(runs)
    prefect.suspend(run)

    with pytest.raises(Refused, match="waits for a time"):
        await runs.answer(run, {"decision": "approve"})

    assert await runs.status(run) is RunStatus.SUSPENDED


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


FLOW = """
from typing import Literal
from prefect import flow
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput

class Approval(RunInput):
    decision: Literal["approve", "reject"]
    approver: str

@flow(name="real")
async def real(release: str = ""):
    form = Approval.with_initial_data(description="**Promote?**")
    given = await suspend_flow_run(wait_for_input=form, key="gate", timeout=None)
    print("ANSWER", given.decision, given.approver, flush=True)
"""


@pytest.mark.e2e
async def test_a_real_suspended_flow_is_answered(prefect, tmp_path):
    """
    The form that Prefect's own client stores is the one that an answer goes through.
    """
    (tmp_path / "real_flow.py").write_text(textwrap.dedent(FLOW))
    prefect.deploy("real", entrypoint="real_flow.py:real", path=str(tmp_path))
    runs = the_runs(prefect.server.api_url, release_deployment="real/real")
    run = await runs.start({"release": "r"}, idempotency_key=uuid.uuid4().hex)
    execute(prefect.server, run)
    assert await runs.status(run) is RunStatus.SUSPENDED

    await runs.answer(run, {"decision": "approve", "approver": "ada"})

    assert "ANSWER approve ada" in execute(prefect.server, run)
    assert await runs.status(run) is RunStatus.DONE
    await runs.aclose()


def execute(server: PrefectServer, run: str) -> str:
    command = [sys.executable, "-m", "prefect", "flow-run", "execute", run]
    done = subprocess.run(
        command, env=server.env, cwd=server.home, capture_output=True, text=True, timeout=120, check=False
    )
    return done.stdout + done.stderr


async def test_the_link_opens_the_page_with_the_resume_button():
    """
    People come from a notification and must find the button.
    """
    runs = the_runs("https://prefect.example/api")

    assert runs.run_url("abc") == "https://prefect.example/runs/flow-run/abc"
    await runs.aclose()
