"""Releases that end well, whatever happens to their run and to the platform."""

import asyncio
from pathlib import Path

import pytest

from phasegate.domain.events import Acted, Driven, Outcome
from phasegate.domain.ledger import ReleaseState
from tests.e2e.house import Done, House, Started, condition

pytestmark = pytest.mark.e2e

PEOPLE = {"engineering-lead": "Ada", "product-owner": "Grace"}
RAISED_ONCE = [10, 50, 100]


async def test_a_run_that_gave_its_process_up_is_woken_and_promotes_the_release(house: House):
    """
    No process exists during a long soak or a gate, so nothing can be killed then; the same run goes on.
    """
    version = await house.next_good()
    waiting = asyncio.create_task(house.phasegate(*house.asked(version, "guarded"), "--wait"))
    name = await house.opened()

    for answers, (role, approver) in enumerate(PEOPLE.items()):
        state = await house.until(
            name, lambda state, n=answers: state.question is not None and state.responses == n
        )
        given = await answered(house, state, role=role, approver=approver)
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


async def answered(house: House, release: ReleaseState, *, role: str, approver: str) -> Done:
    """Approve as a person does who has been shown the form."""
    await house.asks(release.run)
    reason = ("--decision", "approve", "--reason", "the checks have passed")
    return await house.phasegate("answer", release.release, "--role", role, "--approver", approver, *reason)


async def test_every_call_of_the_platform_failing_in_three_ways_changes_no_outcome(house: House):
    """
    An answer that says nothing is resolved by reading, never by writing again.
    """
    version = await house.next_good()
    await house.edge("DELETE", "calls")
    each = {"per_call": True}
    faults = [
        {"kind": "status", "status": 500, **each},
        {"kind": "rate_limit", "seconds": 1, **each},
        {"kind": "timeout_after", "seconds": 0.3, **each},
    ]
    await house.edge("PUT", "faults", faults)

    try:
        release = await house.start(version, "quick")
        state = await house.ended(release.name)
        hits = [rule["hits"] for rule in await house.edge("GET", "faults")]
    finally:
        await house.edge("DELETE", "faults")

    assert state.ended is not None
    assert state.ended.outcome is Outcome.PROMOTED
    assert min(hits) >= 5, hits
    assert (await house.serving()).tag == version
    assert await house.writes() == {"uploads": 1, "splits": len(RAISED_ONCE)}
    assert await raised(house, state) == RAISED_ONCE


async def raised(house: House, state: ReleaseState) -> list[float]:
    """Every weight that the ledger says was set for the candidate."""
    assert state.canary is not None
    rows = await house.rows(state.release)
    return [
        row.event.live.split.weight(state.canary.id)
        for row in rows
        if isinstance(row.event, Acted) and row.event.worker == state.service
    ]


async def engine_of(release: Started) -> int:
    """The process that runs the flow, known by the run's id in its environment."""

    async def running() -> int | None:
        found = engines(release.run)
        return found[0] if len(found) == 1 else None

    return await condition(running, limit=30)


def engines(run: str) -> list[int]:
    """The processes that run a flow run now."""
    return [int(process.name) for process in Path("/proc").glob("[0-9]*") if runs_flow(process, run)]


def runs_flow(process: Path, run: str) -> bool:
    """Whether a process is the engine of the run; one that ended meanwhile is not."""
    try:
        marked = f"PREFECT__FLOW_RUN_ID={run}".encode() in (process / "environ").read_bytes().split(b"\0")
        return marked and b"prefect.engine" in (process / "cmdline").read_bytes()
    except OSError:
        return False
