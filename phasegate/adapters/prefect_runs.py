"""Release runs in Prefect, over its REST API: read, wake, take up, roll back, start, answer, cancel."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr

from phasegate.adapters.prefect_api import Ambiguous, Missing, PrefectApi
from phasegate.adapters.prefect_records import OVER, in_words, is_id, keyset, run_status, waits
from phasegate.domain.errors import FixTheInput, Refused, RunsAway, SettingsError
from phasegate.ports import RunStatus

ATTEMPTS = 5
PAUSE = 0.3
TAG = "phasegate"
_LOST = "no usable answer"


class PrefectRuns:
    """
    Implements ``Runs`` for the Prefect server at *api_url*; close it with :meth:`aclose`.

    The methods of the port raise nothing but RunsAway, also for wrong credentials
    and missing deployments: whoever guards production goes on without Prefect.
    """

    def __init__(
        self,
        api_url: str,
        *,
        auth: SecretStr,
        ui_url: str,
        timeout: float,
        release_deployment: str = "release/release",
        rollback_deployment: str = "rollback/rollback",
    ) -> None:
        self._api = PrefectApi(api_url, auth=auth, timeout=timeout)
        self._ui_url = (ui_url or api_url.rstrip("/").removesuffix("/api")).rstrip("/")
        self._release = release_deployment
        self._rollback = rollback_deployment
        self._deployments: dict[str, str] = {}

    async def aclose(self) -> None:
        """Close the client."""
        await self._api.aclose()

    async def status(self, run: str) -> RunStatus:
        """How the run stands; UNKNOWN only when Prefect itself says that it has no such run."""
        with _only_away():
            record = await self._run(run)
        return RunStatus.UNKNOWN if record is None else run_status(record)

    async def wake(self, run: str, *, answer: Mapping[str, str] | None = None) -> bool:
        """
        Resume a run that waits; a suspended one starts again from the top.

        One that waits for a person's input is resumed with *answer*, and left alone
        without one. False when it does not wait.
        """
        reason = "no usable answer"
        with _only_away():
            for _ in range(ATTEMPTS):
                record = await self._run(run)
                if record is None or not waits(record) or (keyset(record) and answer is None):
                    return False
                given = dict(answer) if answer is not None and keyset(record) else None
                try:
                    accepted, reason = await self._resume(run, given)
                except Ambiguous:
                    if await self._left(run):
                        return True
                    await asyncio.sleep(PAUSE)
                    continue
                if accepted:
                    return True
                await asyncio.sleep(PAUSE)
        raise RunsAway(f"Prefect does not resume run {run}: {reason}")

    async def take_up(
        self, release: str, *, service: str, reason: str, requested_by: str, lost: str = ""
    ) -> str:
        """
        Start a run that goes on with *release*; returns its id.

        While a run started here is not over, its id is returned and nothing is started; a run
        whose host died looks like that for ever, so *lost* is not meant.
        """
        with _only_away():
            tags = (TAG, release, "take-up")
            runs = await self._tagged(tags)
            for record in runs:
                if record["state_type"] not in OVER and str(record["id"]) != lost:
                    return str(record["id"])
            await self._bury(lost)
            return await self._create(
                self._release,
                {"release": release, "service": service, "reason": reason, "requested_by": requested_by},
                # A run that died keeps its key for ever, so each new death needs another one.
                key=f"{release}/take-up/{len(runs) + 1}",
                tags=tags,
            )

    async def roll_back(self, release: str, *, reason: str, lost: str = "") -> str:
        """
        Start the rollback flow for *release*; returns its id.

        A rollback that runs or was completed is returned; one that died, or is *lost*, is started anew.
        """
        with _only_away():
            tags = (TAG, release, "rollback")
            runs = await self._tagged(tags)
            for record in runs:
                dead = record["state_type"] in ("FAILED", "CRASHED", "CANCELLED")
                if not dead and str(record["id"]) != lost:
                    return str(record["id"])
            await self._bury(lost)
            parameters = {"release": release, "reason": reason}
            key = f"{release}/rollback/{len(runs) + 1}"
            return await self._create(self._rollback, parameters, key=key, tags=tags)

    async def publish(self, run: str, *, key: str, markdown: str) -> None:
        """Show *markdown* as an artifact of the run; the same key again makes a new version of it."""
        name = re.sub(r"[^a-z0-9-]+", "-", key.lower()).strip("-") or TAG
        body = {"key": name, "type": "markdown", "data": markdown, "flow_run_id": run or None}
        with _only_away():
            for _ in range(ATTEMPTS):
                try:
                    await self._api.post("/artifacts/", body, repeatable=False)
                except Ambiguous:
                    if await self._published(name, body):
                        return
                    await asyncio.sleep(PAUSE)
                else:
                    return
        raise RunsAway(f"Prefect did not take the artifact {name!r} in {ATTEMPTS} attempts")

    async def start(self, parameters: dict[str, Any], *, idempotency_key: str) -> str:
        """
        Start a release with the release flow's *parameters*; returns the run's id.

        The same key gives the same run. Raises FixTheInput naming the parameter and
        what is allowed, SettingsError when there is no such deployment, RunsAway.
        """
        try:
            return await self._create(self._release, parameters, key=idempotency_key, tags=(TAG,))
        except SettingsError:
            raise
        except FixTheInput as error:
            raise FixTheInput(f"the release was not started: {in_words(str(error))}") from error

    async def answer(self, run: str, run_input: dict[str, Any]) -> None:
        """
        Answer the form that *run* waits with; the first answer wins.

        Raises Refused when the form does not take it or nobody waits any more, RunsAway.
        """
        for _ in range(ATTEMPTS):
            record = await self._run(run)
            if record is None or not waits(record):
                stands = record["state_name"] if record else "unknown"
                raise Refused(f"run {run} does not wait for an answer (it is {stands})")
            if keyset(record) is None:
                raise Refused(f"run {run} waits for a time, not for an answer")
            try:
                accepted, reason = await self._resume(run, run_input)
            except Ambiguous:
                accepted, reason = await self._stored(run, keyset(record), run_input), _LOST
            if accepted:
                return
            # The state is visible shortly before the form is: only this refusal passes by itself.
            if reason != _LOST and "schema not found" not in reason:
                raise Refused(f"run {run} did not take the answer: {in_words(reason)}")
            await asyncio.sleep(PAUSE)
        raise RunsAway(f"Prefect did not take the answer to run {run} in {ATTEMPTS} attempts")

    async def cancel(self, run: str) -> None:
        """
        Ask Prefect to end *run*; one that is over is left as it is.

        This stops a process, never traffic. Raises Refused when there is no such run, RunsAway.
        """
        body = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": False}
        for _ in range(ATTEMPTS):
            record = await self._run(run)
            if record is None:
                raise Refused(f"Prefect knows no run {run}")
            if record["state_type"] in (*OVER, "CANCELLING"):
                return
            try:
                await self._api.post(f"/flow_runs/{run}/set_state", body, repeatable=False)
            except Ambiguous:
                await asyncio.sleep(PAUSE)
        raise RunsAway(f"Prefect did not cancel run {run} in {ATTEMPTS} attempts")

    async def input_wanted(self, run: str) -> bool:
        """Whether *run* waits with a form that a person must fill in. Raises RunsAway."""
        record = await self._run(run)
        return bool(record and waits(record) and keyset(record))

    async def message(self, run: str) -> str:
        """What Prefect says of the run's present state: its name and message. Raises RunsAway."""
        record = await self._run(run)
        if record is None:
            return f"Prefect knows no run {run}"
        state = record.get("state") or {}
        return f"{state.get('name')}: {state.get('message') or 'no message'}"

    def run_url(self, run: str) -> str:
        """Where a person looks at *run*: the page that shows the Resume button."""
        return f"{self._ui_url}/runs/flow-run/{run}"

    async def _run(self, run: str) -> dict[str, Any] | None:
        if not is_id(run):
            return None
        try:
            record: dict[str, Any] = await self._api.get(f"/flow_runs/{run}")
        except Missing:
            return None
        return record

    async def _bury(self, run: str) -> None:
        """A run that is replaced must not look alive for ever: the next death would find it again."""
        record = await self._run(run)
        if record is None or record["state_type"] in OVER:
            return
        state = {"type": "CRASHED", "name": "Crashed", "message": "phasegate: it was lost and is replaced"}
        await self._api.post(f"/flow_runs/{run}/set_state", {"state": state, "force": True}, repeatable=True)

    async def _left(self, run: str) -> bool:
        """Whether the run waits no longer: then the resume whose answer was lost did act."""
        record = await self._run(run)
        return record is not None and not waits(record)

    async def _resume(self, run: str, run_input: dict[str, Any] | None) -> tuple[bool, str]:
        """Prefect refuses with HTTP 200 as well: only the status in the body says ACCEPT."""
        answer = await self._api.post(f"/flow_runs/{run}/resume", {"run_input": run_input}, repeatable=False)
        details = answer.get("details") or {}
        return answer.get("status") == "ACCEPT", str(details.get("reason") or "")

    async def _stored(self, run: str, form: dict[str, str] | None, run_input: dict[str, Any]) -> bool:
        if not form:
            return await self._left(run)
        try:
            stored = await self._api.get(f"/flow_runs/{run}/input/{form['response']}")
        except Missing:
            return False
        return bool(stored == run_input)

    async def _published(self, name: str, body: dict[str, Any]) -> bool:
        try:
            latest = await self._api.get(f"/artifacts/{name}/latest")
        except Missing:
            return False
        return bool(latest["data"] == body["data"] and latest["flow_run_id"] == body["flow_run_id"])

    async def _tagged(self, tags: tuple[str, ...]) -> list[dict[str, Any]]:
        body = {"flow_runs": {"tags": {"all_": list(tags)}}, "sort": "EXPECTED_START_TIME_DESC"}
        runs: list[dict[str, Any]] = await self._api.post("/flow_runs/filter", body, repeatable=True)
        return runs

    async def _create(
        self, deployment: str, parameters: dict[str, Any], *, key: str, tags: tuple[str, ...]
    ) -> str:
        ident = await self._deployment(deployment)
        body = {"parameters": parameters, "idempotency_key": key, "tags": list(tags)}
        try:
            run = await self._api.post(f"/deployments/{ident}/create_flow_run", body, repeatable=True)
        except Missing:
            # It was deployed anew under another id: the next call finds that one.
            self._deployments.pop(deployment, None)
            raise
        return str(run["id"])

    async def _deployment(self, name: str) -> str:
        if name not in self._deployments:
            try:
                record = await self._api.get(f"/deployments/name/{name}")
            except Missing as error:
                raise SettingsError(
                    f"the Prefect server at {self._api.url} has no deployment {name!r}; "
                    "`prefect --no-prompt deploy --all` in the project makes it"
                ) from error
            self._deployments[name] = str(record["id"])
        return self._deployments[name]


@contextmanager
def _only_away() -> Iterator[None]:
    try:
        yield
    except FixTheInput as error:
        raise RunsAway(str(error)) from error
