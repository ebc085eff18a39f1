"""
Releases of a Worker project with migrations: built by the real wrangler, run by workerd, on one D1.

Server, worker, keeper and edge are those of the house; the database goes back through Prefect.
"""

import asyncio
import re
from collections.abc import Iterator

import pytest

from phasegate.domain.database import Migrated
from phasegate.domain.events import Acted, Outcome, Recorded
from phasegate.domain.ledger import ReleaseState
from tests.e2e.house import House, started
from tests.e2e.worker_with_database import (
    PLAN,
    PRODUCTION,
    ROLE,
    STAGING,
    WORKER,
    Worker,
    worker_with_database,
)
from tests.toolchain import needs_wrangler

pytestmark = [pytest.mark.e2e, needs_wrangler]

NOTES, LABELS = "0004_notes.sql", "0005_labels.sql"
ADD_NOTE = "ALTER TABLE calculations ADD COLUMN note TEXT"
DROP_NOTE = "ALTER TABLE calculations DROP COLUMN note"
ADD_LABELS = "CREATE TABLE labels (said TEXT);\nINSERT INTO labels VALUES ('first')"
DROP_LABELS = "DROP TABLE labels"
WRITE = (
    "INSERT OR REPLACE INTO sessions (refresh_hash, owner, expires_at) VALUES ('late', 'late', 1); "
    "UPDATE labels SET said = 'changed by a user'"
)
LINUS = ("--approver", "Linus", "--role", ROLE, "--reason", "it was mine")
GRACE = ("--approver", "Grace", "--role", ROLE, "--reason", "it was the traffic")
LATE = "SELECT owner FROM sessions WHERE owner = 'late'"


@pytest.fixture(scope="module")
def worker(house: House) -> Iterator[Worker]:
    """One Worker, its databases and users for the tests of this file."""
    with worker_with_database(house) as worker:
        yield worker


async def test_a_project_with_a_migration_is_built_migrated_and_promoted(house: House, worker: Worker):
    """
    From a directory of sources to 100 %: staging's database first, then production's, then traffic.
    """
    worker.migration(NOTES, ADD_NOTE, down=DROP_NOTE)
    project = worker.project("0.1.12")
    who = ("--requested-by", "Linus", "--reason", "notes")

    done = await house.phasegate(
        "release", "--service", WORKER, "--plan", PLAN, "--bundle", str(project), *who
    )
    state = await house.ended(started(done.out).name)

    assert done.code == 0, done.err
    assert f"built {project}" in done.out
    assert state.ended is not None
    assert state.ended.outcome is Outcome.PROMOTED, state.ended.summary
    assert await worker.serves() == "0.1.12"
    assert order_of(await house.rows(state.release)) == [STAGING, PRODUCTION, "traffic"]
    for environment in (STAGING, PRODUCTION):
        assert (await worker.applied(environment=environment))[-1] == NOTES


async def test_a_harmful_release_goes_back_and_then_its_database_both_ways(house: House, worker: Worker):
    """
    Traffic returns by itself and data stays; the database goes back when a person says how.
    """
    worker.migration(LABELS, ADD_LABELS, down=DROP_LABELS)
    before = await worker.serves()
    state = await house.ended(await worker.start(worker.project("0.1.13-errors")))
    name = state.release
    assert state.ended is not None
    assert state.ended.outcome is Outcome.ROLLED_BACK, state.ended.summary
    assert await worker.serves() == before
    assert (await worker.applied())[-1] == LABELS
    worker.users.end_all()
    await worker.sql(WRITE)

    author, (refused, why) = await asyncio.gather(
        house.phasegate("d1", "restore", name, *LINUS),
        worker.take_back(name, "restore", role=ROLE),
    )
    kept = await worker.sql(LATE)
    words = re.findall(r"'(lose everything [^']+)'", why)
    restored, said = await worker.take_back(name, "restore", role=ROLE, accepted_loss=words[0])
    lost, without = await worker.sql(LATE), await worker.applied()
    undone = await house.phasegate("d1", "undo", name, *GRACE)
    again = [*await worker.sql(LATE), *await worker.sql("SELECT said FROM labels")]
    down, told = await worker.take_back(name, "down-sql")
    left, at_last = await worker.sql(LATE), await worker.applied()

    assert author.code == 2
    assert "requested this release" in author.err
    assert (refused, kept) == ("Refused", [{"owner": "late"}])
    assert restored == "Completed", said
    assert (lost, LABELS in without) == ([], False)
    assert undone.code == 0, undone.err
    assert again == [{"owner": "late"}, {"said": "changed by a user"}]
    assert (down, left, at_last) == ("Completed", [{"owner": "late"}], without)
    assert "its schema is that from before" in told
    await bookmarks_are_kept(house, state)


def order_of(rows: tuple[Recorded, ...]) -> list[str]:
    """Which database was migrated when, and when the candidate took its first traffic in production."""
    seen = [
        event.environment if isinstance(event, Migrated) else "traffic"
        for event in (row.event for row in rows)
        if isinstance(event, Migrated) or (isinstance(event, Acted) and event.worker == WORKER)
    ]
    return seen[:3]


async def bookmarks_are_kept(house: House, state: ReleaseState) -> None:
    """Each return notes where the database was, so that it could be undone."""
    rows = [row.event for row in await house.rows(state.release)]
    returned = [event for event in rows if event.kind == "database-returned"]
    intended = [event for event in rows if event.kind == "return-intended"]

    assert [event.way for event in returned] == ["restore", "undo", "down-sql"]
    assert [event.previous for event in returned] == [event.bookmark for event in intended]
    assert intended[1].to == returned[0].previous
    assert [event.as_before for event in returned] == [True, False, True]
