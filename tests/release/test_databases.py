"""A release migrates its database: staging first, each file once."""

from pathlib import Path
from typing import Any

import pytest

from phasegate.actions.migrating import migrate, plan_migrations
from phasegate.domain.errors import Refused
from phasegate.domain.migrations import Migration
from phasegate.edge.faults import Fault
from tests.release.database_stage import NOTES, PRODUCTION, STAGING, databases
from tests.release.test_keeper_takes_back import RELEASE

pytestmark = pytest.mark.patient


async def test_staging_is_migrated_before_production(tmp_path: Path):
    """
    What was never tried on staging does not touch production's data.
    """
    async with databases(tmp_path) as house:
        await house.plan(STAGING)
        await house.plan(PRODUCTION)

        with pytest.raises(Refused, match="not applied there"):
            await house.apply(PRODUCTION)
        await house.apply(STAGING)
        await house.apply(PRODUCTION)
        known = await house.known()

        assert known.after is not None
        assert known.after.names == (NOTES,)
        assert known.before is not None
        assert known.before.bookmark < known.after.bookmark
        assert await house.sql("SELECT note FROM calculations") == []


async def test_planning_writes_nothing(tmp_path: Path):
    """
    A plan is looked at before anything is decided; the platform's own tool creates a table for it.
    """
    async with databases(tmp_path) as house:
        before = await house.world.hands.database.bookmark(house.ids[PRODUCTION])

        await house.plan(PRODUCTION)

        assert await house.world.hands.database.bookmark(house.ids[PRODUCTION]) == before


@pytest.mark.parametrize(
    "fault", [{"kind": "status", "acted": True}, {"kind": "timeout_after"}], ids=["500", "lost"]
)
async def test_an_answer_that_is_lost_is_read_and_nothing_is_applied_twice(
    tmp_path: Path, fault: dict[str, Any]
):
    """
    Applying a file a second time would fail at best and double data at worst.
    """
    async with databases(tmp_path) as house:
        database, hands = house.ids[STAGING], house.world.hands
        # Two readings say that it is not applied; the third call is the writing itself.
        rule = {**fault, "match": {"method": "POST", "path": "/query$"}, "every": 3, "times": 1}
        house.world.edge.faults.add(Fault.read(rule))

        await hands.database.apply(database, house.files[-1])
        applied = await hands.database.applied(database)

        assert house.world.edge.faults.describe()[0]["hits"] == 1
        assert applied.count(NOTES) == 1


async def test_a_driver_that_died_between_database_and_ledger_goes_on(tmp_path: Path):
    """
    The database says what is applied; the ledger catches up.
    """
    async with databases(tmp_path) as house:
        await house.plan(STAGING)
        new = next(migration for migration in house.files if migration.name == NOTES)
        await house.world.hands.database.apply(house.ids[STAGING], new)

        await house.apply(STAGING)

        assert (await house.world.state(RELEASE)).databases[STAGING].after is not None


async def test_a_file_that_changed_is_not_applied(tmp_path: Path):
    """
    What was read, linted and shown to people is what runs.
    """
    async with databases(tmp_path) as house:
        await house.plan(STAGING)
        other = tuple(
            each.model_copy(update={"sql": "SELECT 1;"}) if each.name == NOTES else each
            for each in house.files
        )

        with pytest.raises(Refused, match="has changed since"):
            await migrate(house.world.hands, RELEASE, environment=STAGING, files=other)


async def test_sql_that_the_database_refuses_is_said_in_its_words(tmp_path: Path):
    """
    The release stops with the file's name; nothing of that file stays.
    """
    async with databases(tmp_path) as house:
        wrong = (
            *house.files[:-1],
            Migration(name=NOTES, sql="CREATE TABLE good (x);\nINSERT INTO nowhere VALUES (1);"),
        )
        await plan_migrations(
            house.world.hands, RELEASE, environment=STAGING, database=house.ids[STAGING], files=wrong
        )

        with pytest.raises(Refused, match=r"0004_notes\.sql was refused.*no such table: nowhere"):
            await migrate(house.world.hands, RELEASE, environment=STAGING, files=wrong)

        assert "good" not in await house.world.hands.database.schema(house.ids[STAGING])
