"""What must never happen to a database that is taken back: a lie about it, or harm to who uses it."""

from pathlib import Path

import pytest

from phasegate.actions.database_return import loss_words
from phasegate.actions.opening import open_release
from phasegate.actions.rollback import close
from phasegate.adapters.cloudflare.d1 import CloudflareD1, taking_back
from phasegate.adapters.cloudflare.envelope import Rejected
from phasegate.domain.database import ReturnIntended, Way
from phasegate.domain.errors import Refused
from phasegate.domain.events import Outcome
from phasegate.domain.migrations import Migration
from phasegate.domain.versions import Split
from phasegate.wiring import read_bundle
from tests.release.database_stage import NOTES, PRODUCTION, ROLE, Databases, a_session, databases
from tests.release.stage import SERVICE
from tests.release.test_keeper_takes_back import RELEASE, at_phase

pytestmark = pytest.mark.patient


class Busy(CloudflareD1):
    """A database to which somebody writes as soon as its bookmark was read."""

    house: Databases
    written = 0

    async def bookmark(self, database: str) -> str:
        read = await super().bookmark(database)
        self.written += 1
        await self.house.sql(a_session(f"user {self.written}"))
        return read


async def test_somebodys_write_is_not_taken_for_the_restoration(tmp_path: Path):
    """
    The bookmark moves with every write of a user; that it moved does not say that data went back.
    """
    async with databases(tmp_path) as house:
        await house.migrated()
        before = (await house.known()).before
        assert before is not None
        busy = Busy(house.world.hands.database._client)  # type: ignore[attr-defined]
        busy.house = house

        await busy.restore(house.ids[PRODUCTION], to=before.bookmark, was=None)

        assert NOTES not in await house.world.hands.database.applied(house.ids[PRODUCTION])


async def test_a_version_that_came_later_does_not_lose_its_schema(tmp_path: Path):
    """
    Whoever is live now may use what an ended release brought; its candidate at 0 % says nothing of that.
    """
    async with databases(tmp_path) as house:
        await house.migrated()
        await at_phase(house.world, "0.1.12", house.world.plan(), "canary")
        await house.taken_back()
        await somebody_deploys(house)

        for way in (Way.DOWN, Way.RESTORE):
            with pytest.raises(Refused, match="traffic goes to the old version"):
                await house.order(way, role=ROLE)


async def test_a_release_that_goes_on_keeps_its_database(tmp_path: Path):
    """
    Migrated and not yet at any weight, the release would go on to a version without its tables.
    """
    async with databases(tmp_path) as house:
        await house.migrated()

        with pytest.raises(Refused, match=f"phasegate abort {RELEASE}"):
            await house.order(Way.DOWN)


async def test_migrations_go_back_in_the_order_they_came(tmp_path: Path):
    """
    A later migration was written for the tables of the earlier; neither way may pull them from under it.
    """
    async with databases(tmp_path) as house:
        await house.migrated()
        await house.taken_back()
        later = Migration(name="0005_later.sql", sql="CREATE INDEX later ON notes (said);")
        await house.world.hands.database.apply(house.ids[PRODUCTION], later)

        for way in (Way.DOWN, Way.RESTORE):
            with pytest.raises(Refused, match=r"0005_later\.sql"):
                await house.order(way, role=ROLE)


async def test_down_sql_runs_once_even_when_a_request_arrives_late(tmp_path: Path):
    """
    A request that was given up may still arrive; without a migration to take back it must do nothing.
    """
    async with databases(tmp_path) as house:
        down = "DELETE FROM sessions WHERE rowid = (SELECT min(rowid) FROM sessions);"
        once = Migration(name="0004_seed.sql", sql=a_session("a") + ";" + a_session("b"), down=down)
        database, d1 = house.ids[PRODUCTION], house.world.hands.database
        await d1.apply(database, once)
        await d1.take_back(database, once)

        with pytest.raises(Rejected, match="NOT NULL"):
            await house.sql(taking_back(once))

        assert [row["owner"] for row in await house.sql("SELECT owner FROM sessions")] == ["b"]


async def test_an_interrupted_restoration_that_did_not_happen_is_begun_again(tmp_path: Path):
    """
    Somebody wrote meanwhile, so the bookmark moved; what is applied says that nothing went back.
    """
    async with databases(tmp_path) as house:
        await house.migrated()
        await house.taken_back()
        await interrupted(house, Way.RESTORE)
        await house.sql(a_session("meanwhile"))

        with pytest.raises(Refused, match="loses what was written since"):
            await house.order(Way.RESTORE, role=ROLE)
        known = await house.order(Way.RESTORE, role=ROLE, accepted=loss_words(await house.known()))

        assert known.returned is not None
        assert known.returned.as_before


async def test_an_interrupted_undoing_is_found_done(tmp_path: Path):
    """
    The driver died between platform and ledger; the person who tries again is not sent away.
    """
    async with databases(tmp_path) as house:
        await house.migrated()
        await house.taken_back()
        first = (await house.order(Way.RESTORE, role=ROLE)).returned
        assert first is not None
        await interrupted(house, Way.UNDO)
        database = house.ids[PRODUCTION]
        await house.world.hands.database.restore(database, to=first.previous, was=first.bookmark)

        undone = await house.order(Way.UNDO, role=ROLE)

        assert undone.returned is not None
        assert undone.returned.way is Way.UNDO
        assert undone.changed


async def test_an_interrupted_rollback_can_be_undone_from_its_beginning(tmp_path: Path):
    """
    What the first attempt dropped is in the bookmark from before it, not in the one from between.
    """
    async with databases(tmp_path) as house:
        await house.migrated()
        await house.taken_back()
        await interrupted(house, Way.DOWN)
        began = await house.world.hands.database.bookmark(house.ids[PRODUCTION])
        await house.world.hands.database.take_back(house.ids[PRODUCTION], house.files[-1])
        await house.sql(a_session("meanwhile"))

        known = await house.order(Way.DOWN)

        assert known.returned is not None
        assert known.returned.previous == began
        with pytest.raises(Refused, match="loses what was written since"):
            await house.order(Way.UNDO, role=ROLE)


async def test_a_rollback_that_took_nothing_back_begins_anew(tmp_path: Path):
    """
    Undoing it must not lose what users wrote between the attempt that failed and the one that did not.
    """
    async with databases(tmp_path) as house:
        await house.migrated()
        await house.taken_back()
        await interrupted(house, Way.DOWN)
        await house.sql(a_session("meanwhile"))

        await house.order(Way.DOWN)
        await house.order(Way.UNDO, role=ROLE)

        assert [row["owner"] for row in await house.sql("SELECT owner FROM sessions")] == ["meanwhile"]


async def test_another_release_at_work_keeps_its_database(tmp_path: Path):
    """
    A release that found the migration applied counts on it; staging is enough for that.
    """
    async with databases(tmp_path) as house:
        await house.migrated()
        await house.taken_back()
        hands = house.world.hands
        await close(hands, RELEASE, outcome=Outcome.REFUSED, summary="Stopped.")
        await open_release(
            hands,
            "the-next",
            service=SERVICE,
            plan=house.world.plan(),
            candidate=house.world.candidate("0.1.12"),
            reason="a test",
            requested_by="ada",
        )

        with pytest.raises(Refused, match="the-next is at work"):
            await house.order(Way.DOWN)


async def test_a_loss_is_accepted_for_one_point_in_time(tmp_path: Path):
    """
    Words that were typed for one loss do not cover another.
    """
    async with databases(tmp_path) as house:
        await house.migrated()
        await house.taken_back()
        known = await house.known()
        assert known.after is not None

        words = loss_words(known)
        back = await house.order(Way.RESTORE, role=ROLE)

        assert known.after.bookmark in words
        assert loss_words(back) != words


async def somebody_deploys(house: Databases) -> None:
    """Another hand uploads a third version and gives it everything."""
    target = house.world.hands.target
    bundle = read_bundle(house.world.settings, str(house.world.bundles["0.1.12"]))
    third = await target.upload(SERVICE, bundle, environment=PRODUCTION, release="by-hand")
    live = await target.live(SERVICE)
    assert live is not None
    await target.set_split(SERVICE, Split.whole(third.id), message="by hand", was=live.id)


async def interrupted(house: Databases, way: Way) -> None:
    """A driver wrote down what it was about to do, and died."""
    now = await house.world.hands.database.bookmark(house.ids[PRODUCTION])
    intent = ReturnIntended(environment=PRODUCTION, way=way, bookmark=now, to="", by="grace", reason="why")
    await house.world.hands.journal.record(RELEASE, lambda s: intent)
