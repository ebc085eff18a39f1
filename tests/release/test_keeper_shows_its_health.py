"""Whether the keeper does its work can be seen from outside, and its silence is told."""

import asyncio
import socket
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from phasegate.actions.guarding import AWAITED, PAGED, guard, page_when_unguarded
from phasegate.domain.errors import Refused
from phasegate.keeper.liveness import Health, feed_systemd, serve_health
from phasegate.keeper.loop import LONGEST, OVERDUE, Keeper
from phasegate.ports import Ledger
from tests.release.paper import RELEASE, paper_release
from tests.release.second_keeper import seconds_until_restored
from tests.release.standins import Alive
from tests.release.test_care_for_runs import Later

SECOND = timedelta(seconds=1)
NEVER = datetime.max.replace(tzinfo=UTC)


async def asked(keeper: Keeper, path: str = "/health") -> httpx.Response:
    """What the endpoint answers."""
    async with (
        serve_health(keeper.health, host="127.0.0.1", port=0) as port,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        return await client.get(f"http://127.0.0.1:{port}{path}")


async def test_a_keeper_that_looks_at_its_releases_is_well(tmp_path: Path):
    """
    200, with the age of the last look at each release.
    """
    async with paper_release(tmp_path) as (hands, _):
        keeper = Keeper(replace(hands, runs=Alive()), "k1")
        before = await asked(keeper)
        await keeper.tick()
        after = await asked(keeper)
        elsewhere = await asked(keeper, "/secrets")

    assert before.status_code == 503
    assert after.status_code == 200
    assert after.json()["releases"] == {RELEASE: 0.0}
    assert elsewhere.status_code == 404


async def test_a_keeper_that_does_not_get_round_is_not_well_and_gives_no_sign_of_life(tmp_path: Path):
    """
    A heartbeat of a process whose looks hang would say that production is guarded.
    """
    async with paper_release(tmp_path) as (hands, clock):
        keeper = Keeper(replace(hands, runs=Alive()), "k1")
        await keeper._beat(clock.now())
        await keeper.tick()
        beat = await hands.journal.ledger.last_beat()
        clock.now_is += OVERDUE + 60 * SECOND
        ill = await asked(keeper)
        await keeper._beat(clock.now())
        silent = await hands.journal.ledger.last_beat() == beat

    assert beat is not None
    assert ill.status_code == 503
    assert ill.json()["overdue"] == [RELEASE]
    assert silent


async def test_a_look_that_waits_for_a_slow_platform_is_no_keeper_that_hangs(tmp_path: Path):
    """
    Else an outage would read "no keeper lives", and systemd would start keepers again and again.
    """
    async with paper_release(tmp_path) as (hands, clock):
        keeper = Keeper(replace(hands, runs=Alive()), "k1")
        await keeper.tick()
        answer = asyncio.Event()
        keeper._start(RELEASE, _waiting(answer))
        clock.now_is += OVERDUE + 60 * SECOND
        await keeper._begin_safely()
        waiting = (await asked(keeper)).status_code
        lives = await hands.journal.ledger.last_beat() == clock.now()
        clock.now_is += LONGEST
        await keeper._begin_safely()
        hanging = (await asked(keeper)).status_code
        answer.set()
        await keeper._finish(limit=None)

    assert (waiting, hanging) == (200, 503)
    assert lives


async def _waiting(answer: asyncio.Event) -> None:
    await answer.wait()


async def test_systemd_is_told_only_of_a_keeper_that_is_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    The watchdog has a keeper that hangs started again, and no other.
    """
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.setblocking(False)
        said = []
        for alive in (True, False):
            feeding = feed_systemd(lambda alive=alive: Health(False, {}, alive))  # type: ignore[misc]
            feeding.send(None)
            feeding.close()
            said.append(_received(systemd))

    assert said == [[b"READY=1", b"WATCHDOG=1"], [b"READY=1"]]


def _received(systemd: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(systemd.recv(100))
        except BlockingIOError:
            return found


async def test_production_gets_nothing_while_no_keeper_lives_unless_told_so_in_words(tmp_path: Path):
    """
    The reason is kept and paged; a keeper that lives makes it unnecessary.
    """
    async with paper_release(tmp_path) as (hands, clock):
        waiting = replace(hands, clock=Passing(clock, hands.journal.ledger))
        with pytest.raises(Refused, match="none has ever been seen; waited for 2m"):
            await guard(waiting, RELEASE, unguarded="")
        await guard(hands, RELEASE, unguarded="the keeper's host is replaced, I watch")
        told = [notice.text for notice in (await hands.journal.state(RELEASE)).notices.values()]
        await hands.journal.ledger.beat("k1", at=clock.now())
        await guard(hands, RELEASE, unguarded="")
        clock.now_is += timedelta(minutes=5)
        with pytest.raises(Refused, match="7m old"):
            await guard(waiting, RELEASE, unguarded="")

    assert any("the keeper's host is replaced, I watch" in text for text in told)


async def test_a_keeper_that_is_started_again_is_waited_for(tmp_path: Path):
    """
    A release that was hours in staging does not end because a host was busy for a moment.
    """
    async with paper_release(tmp_path) as (hands, clock):
        await hands.journal.ledger.beat("k1", at=clock.now())
        clock.now_is += timedelta(minutes=5)
        began = clock.now()
        passing = Passing(clock, keepers=hands.journal.ledger, back=began + SECOND * 90)
        await guard(replace(hands, clock=passing), RELEASE, unguarded="")
        waited = clock.now() - began
        notices = (await hands.journal.state(RELEASE)).notices.values()

    assert SECOND * 90 <= waited < AWAITED
    assert any("no keeper lives" in notice.subject for notice in notices)


@dataclass
class Passing:
    """The time of *clock*, which whoever sleeps puts forward; from *back* on a keeper lives."""

    clock: Later
    keepers: Ledger
    back: datetime = NEVER

    def now(self) -> datetime:
        """What the other shows."""
        return self.clock.now()

    async def sleep(self, duration: timedelta) -> None:
        """The time is over at once."""
        self.clock.now_is += duration
        if self.now() >= self.back:
            await self.keepers.beat("k1", at=self.now())


async def test_the_silence_of_every_keeper_pages_once_for_each_time(tmp_path: Path):
    """
    Whoever still runs says it: nothing takes the service back by itself now.
    """
    async with paper_release(tmp_path) as (hands, clock):
        for _ in range(2):
            await hands.journal.ledger.beat("k1", at=clock.now())
            await page_when_unguarded(hands, RELEASE)
            clock.now_is += PAGED + 10 * SECOND
            for _ in range(3):
                await page_when_unguarded(hands, RELEASE)
        notices = (await hands.journal.state(RELEASE)).notices.values()

    assert sum("no keeper lives" in notice.subject for notice in notices) == 2


def test_a_second_keeper_takes_back_within_fifteen_seconds_of_the_first_ones_death():
    """
    Whatever the acting keeper was doing when it died, also while it held the right to act.
    """
    took = {call: seconds_until_restored(call) for call in range(20, 90, 3)}

    assert max(took.values()) <= 15, took
    assert min(took.values()) < 2, took
