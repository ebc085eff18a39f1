"""A release whose run gives its process up wherever it waits, and asks two people."""

import asyncio

import pytest

from phasegate.domain.events import Driven
from tests.e2e.house import Done, House

pytestmark = pytest.mark.e2e

PEOPLE = {"engineering-lead": "Ada", "product-owner": "Grace"}


async def test_a_run_that_gave_its_process_up_is_woken_and_promotes_the_release(house: House):
    """
    No process exists during a long soak or a gate, so nothing can be killed then; the same run goes on.
    """
    version = await house.next_good()
    waiting = asyncio.create_task(house.phasegate(*house.asked(version, "guarded"), "--wait"))
    name = await house.opened()

    await house.until(name, lambda state: state.question is not None)
    for role, approver in PEOPLE.items():
        given = await answered(house, name, role=role, approver=approver)
        assert given.code == 0, given.err
    done = await waiting

    assert done.code == 0, done.out + done.err
    state = await house.until(name, lambda state: state.ended is not None)
    assert (await house.states(state.run)).count("Suspended") == len(PEOPLE) + 1
    assert len([row for row in await house.rows(name) if isinstance(row.event, Driven)]) == 1
    assert (await house.serving()).tag == version
    assert (await house.run_over(state.run))["state_name"] == "Promoted"
    for key in ("progress", "verdict-canary", "checklist-staging"):
        artifact = await house.prefect("GET", f"/artifacts/{name}-{key}/latest")
        assert artifact["data"].strip(), key
    assert (await house.phasegate("ledger", "verify", name)).code == 0


async def answered(house: House, release: str, *, role: str, approver: str) -> Done:
    """Approve at once, though the run may be about to ask, or still take in what another role has said."""
    reason = ("--decision", "approve", "--reason", "the checks have passed")
    return await house.phasegate("answer", release, "--role", role, "--approver", approver, *reason)
