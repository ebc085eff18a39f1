"""Answers to a run that asks, over HTTP, on the house's hardened Prefect server."""

from typing import Any

import pytest

from phasegate.adapters.prefect_runs import PrefectRuns
from phasegate.domain.errors import Refused
from phasegate.ports import RunStatus
from tests.e2e.paper_runs import SCHEMA, Prefect, a_run

pytestmark = pytest.mark.e2e


async def test_an_answer_resumes_the_run_with_its_input(prefect: Prefect, runs: PrefectRuns):
    """
    What a person typed is what the flow reads.
    """
    run = await a_run(runs)
    prefect.suspend(run, form=SCHEMA)

    await runs.answer(run, {"decision": "approve", "approver": "ada"})

    stored = prefect.get(f"/flow_runs/{run}/input/gate-response").json()
    assert stored == {"decision": "approve", "approver": "ada"}
    assert not await runs.input_wanted(run)


async def test_a_refused_answer_is_told_in_words(prefect: Prefect, runs: PrefectRuns):
    """
    Prefect refuses with HTTP 200; the person must still learn which field is wrong.
    """
    run = await a_run(runs)
    prefect.suspend(run, form=SCHEMA)

    with pytest.raises(Refused, match="field 'approver' is missing"):
        await runs.answer(run, {"decision": "approve"})
    with pytest.raises(Refused, match="'maybe' is not one of"):
        await runs.answer(run, {"decision": "maybe", "approver": "ada"})


async def test_nobody_answers_a_run_that_does_not_wait(prefect: Prefect, runs: PrefectRuns):
    """
    The first answer wins, and the second person is told so.
    """
    run = await a_run(runs)
    prefect.suspend(run, form=SCHEMA)
    await runs.answer(run, {"decision": "reject", "approver": "ada"})

    with pytest.raises(Refused, match="does not wait for an answer"):
        await runs.answer(run, {"decision": "approve", "approver": "grace"})


async def test_an_answer_waits_for_the_form_to_appear(
    prefect: Prefect, runs: PrefectRuns, monkeypatch: pytest.MonkeyPatch
):
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


async def test_a_soak_is_not_answered(prefect: Prefect, runs: PrefectRuns):
    """
    A run that waits for a time would be woken too early by an answer that nobody reads.
    """
    run = await a_run(runs)
    prefect.suspend(run)

    with pytest.raises(Refused, match="waits for a time"):
        await runs.answer(run, {"decision": "approve"})

    assert await runs.status(run) is RunStatus.SUSPENDED
