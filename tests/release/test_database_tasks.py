"""The tasks of a run bring a database along, and a person's order takes it back."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from phasegate.actions.migrating import find_database
from phasegate.actions.rollback import close
from phasegate.domain.database import ReturnOrder, Way
from phasegate.domain.errors import Refused
from phasegate.domain.events import Outcome
from phasegate.wiring import close_shared
from tasks.migrate import migrate
from tasks.return_database import return_database
from tests.release.database_stage import NOTES, PRODUCTION, ROLE, STAGING, Databases, databases
from tests.release.stage import SERVICE
from tests.release.test_database_ways_back import environment, typed
from tests.release.test_keeper_takes_back import RELEASE

pytestmark = pytest.mark.patient


async def test_tasks_migrate_staging_first_and_take_production_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    The database of each phase is the one that the bundle binds there; a task that is repeated does nothing.
    """
    async with configured(tmp_path, monkeypatch) as house:
        names = [await body(migrate)(RELEASE, phase) for phase in ("staging", "staging", "canary")]
        databases_after = (await house.world.state(RELEASE)).databases
        await house.taken_back()
        said = await body(return_database)(RELEASE, ReturnOrder(way=Way.DOWN, by="grace", reason="wrong"))

        assert names == [(NOTES,)] * 3
        assert {each: known.database for each, known in databases_after.items()} == house.ids
        assert "its schema is that from before" in said


async def test_what_a_release_left_on_staging_is_said_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    A file that is mended under its old name would not be applied where the old one is.
    """
    async with configured(tmp_path, monkeypatch) as house:
        await body(migrate)(RELEASE, "staging")
        await house.taken_back()

        state = await close(house.world.hands, RELEASE, outcome=Outcome.REFUSED, summary="Stopped.")

        assert state.ended is not None
        assert f"migrated the {STAGING} database ({NOTES})" in state.ended.summary
        assert str(PRODUCTION) not in state.ended.summary
        assert f"phasegate d1 status {RELEASE}" in state.ended.summary


async def test_a_version_that_was_uploaded_by_somebody_else_brings_its_migrations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    There is no bundle to read; the platform knows which databases that version is bound to.
    """
    async with configured(tmp_path, monkeypatch, uploaded=True) as house:
        state = await house.world.state(RELEASE)
        names = [await body(migrate)(RELEASE, phase) for phase in ("staging", "canary")]
        known = (await house.world.state(RELEASE)).databases

        assert state.opened.candidate.bundle == ""
        assert names == [(NOTES,)] * 2
        assert {each: database.database for each, database in known.items()} == house.ids
        other = state.plan.database.model_copy(update={"binding": "LOGS"})
        plan = state.plan.model_copy(update={"database": other})
        with pytest.raises(Refused, match=r"no D1 binding 'LOGS' for production \(it has DB\)"):
            await find_database(
                house.world.hands, state.model_copy(update={"plan": plan}), PRODUCTION, bundle=None
            )


async def test_what_is_due_is_said_before_a_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """
    CI asks with a bundle, or for a version that is uploaded already; nothing is written.
    """
    async with configured(tmp_path, monkeypatch, uploaded=True) as house:
        plan = tmp_path / "ours.yaml"
        plan.write_text(f"extends: demo\ndatabase: {{migrations: {tmp_path}/migrations, roles: [{ROLE}]}}\n")
        before = await house.world.hands.database.bookmark(house.ids[STAGING])
        asked = ("plan", "--plan", str(plan), "--environment", "staging")

        by_bundle = await typed(*asked, "--bundle", str(house.world.bundles["0.1.12"]))
        by_version = await typed(*asked, "--service", SERVICE, "--version", "0.1.12")
        neither = await typed(*asked, "--service", SERVICE)

        assert by_bundle.output == by_version.output
        assert f"staging database {house.ids[STAGING]}: 3 applied, 1 due" in by_bundle.output
        assert f"{NOTES}  can be taken back" in by_bundle.output
        assert neither.exit_code == 2
        assert await house.world.hands.database.bookmark(house.ids[STAGING]) == before


@asynccontextmanager
async def configured(home: Path, monkeypatch: pytest.MonkeyPatch, **how: bool) -> AsyncIterator[Databases]:
    """A release, and an environment in which tasks find the same world."""
    async with databases(home, **how) as house:
        for name, value in environment(house.world.settings).items():
            monkeypatch.setenv(name, value)
        try:
            yield house
        finally:
            await close_shared()


def body(task: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """What a task does, without Prefect around it."""
    inner: Callable[..., Awaitable[Any]] = task.__wrapped__  # type: ignore[attr-defined]
    return inner
