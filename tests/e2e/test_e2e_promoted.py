"""Releases that end well, whatever happens to their run and to the platform."""

from pathlib import Path

import pytest

from phasegate.domain.events import Acted, Outcome
from phasegate.domain.ledger import ReleaseState
from tests.e2e.house import House, Started, condition

pytestmark = pytest.mark.e2e

RAISED_ONCE = [10, 50, 100]


async def test_every_call_of_the_platform_failing_in_three_ways_changes_no_outcome(house: House):
    """
    An answer that says nothing is resolved by reading, never by writing again.
    """
    version = await house.next_good()
    await house.edge("DELETE", "calls")
    # Also what no service is named in; other releases bear that too. Only their own calls are left alone.
    each = {
        "per_call": True,
        "match": {"path": rf"^(?!.*/d1/)(?!.*/scripts/(?!{house.service}(-staging)?/))"},
    }
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
