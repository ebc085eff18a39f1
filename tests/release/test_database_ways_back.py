"""The ways back of a database that a release migrated: by hand, by name, and never at an unsaid loss."""

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from phasegate.actions.database_return import loss_words
from phasegate.cli_d1 import d1
from phasegate.domain.database import Way
from phasegate.domain.errors import Refused
from phasegate.edge.faults import Fault
from phasegate.settings import Settings
from tests.release.database_stage import NOTES, PRODUCTION, ROLE, a_session, databases
from tests.release.test_keeper_takes_back import RELEASE, at_phase

pytestmark = pytest.mark.patient


async def test_down_sql_takes_the_migration_back_and_keeps_other_data(tmp_path: Path):
    """
    Traffic is back, so the new column goes; what users wrote meanwhile stays.
    """
    async with databases(tmp_path) as house:
        await house.migrated()
        await at_phase(house.world, "0.1.12", house.world.plan(), "canary")
        await house.sql(a_session("kept"))
        await house.taken_back()

        known = await house.order(Way.DOWN)

        assert known.returned is not None
        assert known.returned.as_before
        assert NOTES not in await house.world.hands.database.applied(house.ids[PRODUCTION])
        assert [row["owner"] for row in await house.sql("SELECT owner FROM sessions")] == ["kept"]


async def test_a_database_is_not_taken_back_under_the_candidate(tmp_path: Path):
    """
    The version that needs the new schema must not lose it while it serves.
    """
    async with databases(tmp_path) as house:
        await house.migrated()
        await at_phase(house.world, "0.1.12", house.world.plan(), "canary")

        with pytest.raises(Refused, match="traffic goes to the old version first"):
            await house.order(Way.DOWN)


async def test_time_travel_needs_a_named_person_of_the_plan(tmp_path: Path):
    """
    It overwrites data: the author may not approve it, and not everybody has the role.
    """
    async with databases(tmp_path, down=False) as house:
        await house.migrated()
        await house.taken_back()

        with pytest.raises(Refused, match="no down-SQL"):
            await house.order(Way.DOWN)
        with pytest.raises(Refused, match="requested this release"):
            await house.order(Way.RESTORE, by="Ada", role=ROLE)
        with pytest.raises(Refused, match="may not put a database back"):
            await house.order(Way.RESTORE, role="passer-by")
        known = await house.order(Way.RESTORE, role=ROLE)

        assert known.returned is not None
        assert known.returned.as_before
        assert "notes" not in await house.world.hands.database.schema(house.ids[PRODUCTION])


async def test_time_travel_over_later_writes_needs_the_loss_accepted_in_words(tmp_path: Path):
    """
    What users wrote since the migration would be gone; undoing it brings it back.
    """
    async with databases(tmp_path) as house:
        await house.migrated()
        await house.sql(a_session("would be lost"))
        await house.taken_back()

        with pytest.raises(Refused, match="loses what was written since"):
            await house.order(Way.RESTORE, role=ROLE)
        kept = await house.sql("SELECT owner FROM sessions")
        await house.order(Way.RESTORE, role=ROLE, accepted=loss_words(await house.known()))
        lost = await house.sql("SELECT owner FROM sessions")
        undone = await house.order(Way.UNDO, role=ROLE)
        again = await house.sql("SELECT owner FROM sessions")

        assert [row["owner"] for row in kept] == ["would be lost"]
        assert lost == []
        assert [row["owner"] for row in again] == ["would be lost"]
        assert undone.changed


async def test_a_lost_answer_to_a_restoration_is_resolved_by_reading(tmp_path: Path):
    """
    A second restoration would overwrite what was written after the first.
    """
    async with databases(tmp_path) as house:
        await house.migrated()
        await house.taken_back()
        lost = {"kind": "status", "acted": True, "match": {"path": "time_travel/restore"}, "times": 1}
        house.world.edge.faults.add(Fault.read(lost))

        known = await house.order(Way.RESTORE, role=ROLE)

        assert house.world.edge.faults.describe()[0]["hits"] == 1
        assert known.returned is not None
        assert known.returned.as_before


async def test_the_program_shows_and_takes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """
    At three in the morning a person types; each message names the next thing to do.
    """
    async with databases(tmp_path) as house:
        await house.migrated()
        await house.taken_back()
        for name, value in environment(house.world.settings).items():
            monkeypatch.setenv(name, value)

        status = await typed("status", RELEASE)
        refused = await typed("restore", RELEASE, "--approver", "grace", "--role", "x", "--reason", "why")
        back = await typed("rollback", RELEASE, "--by", "grace", "--reason", "totals are wrong")
        schema = await typed("schema", RELEASE)

        assert status.exit_code == 0
        assert "nobody wrote since" in status.output
        assert refused.exit_code == 2
        assert f"allowed: {ROLE}" in refused.output
        assert "its schema is that from before" in back.output
        assert f"-- this is the schema from before {RELEASE}" in schema.output


async def typed(*arguments: str) -> Result:
    """Run the program as it is typed, in a thread of its own event loop."""
    return await asyncio.to_thread(CliRunner().invoke, d1, list(arguments))


def environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables."""
    return {
        "PHASEGATE_LEDGER": settings.ledger,
        "PHASEGATE_PROJECT": str(settings.project),
        "PHASEGATE_API_URL": settings.api_url,
        "PHASEGATE_ACCOUNT_ID": settings.account_id,
        "PHASEGATE_TOKEN": settings.token.get_secret_value(),
        "PHASEGATE_FRONT_DOOR": settings.front_door,
    }
