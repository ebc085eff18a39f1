"""Runs without a process, on the house's real Prefect server: their states are set, nobody executes them."""

import json
import uuid
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from phasegate.adapters.prefect_runs import PrefectRuns

# Deployments of their own, without a work pool: the house's worker must not run what is made up here.
RELEASE, ROLLBACK = "paper-release/paper", "paper-rollback/paper"
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
    """The server as a test sees it: reads and forces states past our adapter."""

    api_url: str
    client: httpx.Client

    def deploy(self, deployment: str) -> None:
        """Make a deployment that no worker takes runs from."""
        flow, name = deployment.split("/")
        body = {
            "name": name,
            "flow_id": self._post("/flows/", {"name": flow})["id"],
            "parameter_openapi_schema": PARAMETERS,
            "enforce_parameter_schema": True,
        }
        self._post("/deployments/", body)

    def force(self, run: str, kind: str, name: str = "", **details: Any) -> None:
        """Put the run into a state, whatever it was in."""
        state = {"type": kind, "name": name or None, "state_details": details}
        self._post(f"/flow_runs/{run}/set_state", {"state": state, "force": True})

    def suspend(self, run: str, *, form: dict[str, Any] | None = None) -> None:
        """Suspend the run; with *form* (empty: not stored yet) it waits for a person."""
        details: dict[str, Any] = {"pause_reschedule": True, "pause_key": "gate"}
        if form is not None:
            details["run_input_keyset"] = {"response": "gate-response", "schema": "gate-schema"}
        self.force(run, "PAUSED", "Suspended", **details)
        if form:
            self.show(run, form)

    def show(self, run: str, form: dict[str, Any]) -> None:
        """Store the form that the run waits with."""
        self._post(f"/flow_runs/{run}/input", {"key": "gate-schema", "value": json.dumps(form)})

    def run(self, run: str) -> dict[str, Any]:
        """The run's record."""
        return dict(self.client.get(f"/flow_runs/{run}").raise_for_status().json())

    def get(self, path: str) -> httpx.Response:
        """One reading of the API."""
        return self.client.get(path)

    def _post(self, path: str, body: Any) -> Any:
        response = self.client.post(path, json=body).raise_for_status()
        return response.json() if response.content else None


def the_runs(
    api_url: str, *, auth: str = "ada:lovelace", timeout: float = 20, release_deployment: str = RELEASE
) -> PrefectRuns:
    """Our adapter, on the deployments that nobody executes."""
    return PrefectRuns(
        api_url,
        auth=SecretStr(auth),
        ui_url="",
        timeout=timeout,
        release_deployment=release_deployment,
        rollback_deployment=ROLLBACK,
    )


def a_release() -> str:
    """A name that no test has used."""
    return f"rel-{uuid.uuid4().hex[:8]}"


async def a_run(runs: PrefectRuns) -> str:
    """A fresh run."""
    return await runs.start({"release": a_release()}, idempotency_key=uuid.uuid4().hex)
