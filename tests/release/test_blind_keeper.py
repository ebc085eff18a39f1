"""A keeper that sees nothing of a release says so: to people, over HTTP, and by giving no sign of life."""

import sqlite3
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from phasegate.actions.guarding import guard, silence
from phasegate.actions.outside import Outside
from phasegate.domain.errors import Away, Refused
from phasegate.domain.events import Notice
from phasegate.domain.observation import Batch
from phasegate.domain.versions import Split
from phasegate.keeper.loop import OVERDUE, Keeper
from tests.ledger_cases import STABLE, opened
from tests.release.model_platform import START, ModelClock
from tests.release.paper import RELEASE, paper_release
from tests.release.standins import Alive
from tests.release.test_quiet_looks import soaking

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
TURN = 2 * SECOND


@dataclass
class Pager:
    """Implements ``Channel``: the subjects that it was given, also those that come again."""

    told: list[str] = field(default_factory=list)
    trouble: Exception | None = None

    async def send(self, notice: Notice, *, key: str) -> str:
        """Taken, unless there is a trouble."""
        if self.trouble is not None:
            raise self.trouble
        self.told.append(notice.subject)
        return "taken"


@dataclass
class Broken:
    """Implements ``Metrics`` with a defect, while ``broken``."""

    metrics: Any
    broken: bool = True

    async def collect(self, worker: str, **asked: Any) -> Batch:
        """A defect of this software, not an outage."""
        if self.broken:
            raise KeyError("p95")
        batch: Batch = await self.metrics.collect(worker, **asked)
        return batch


def write_newer_event(home: Path, at: datetime) -> None:
    """A newer phasegate has written something that this one does not know."""
    with sqlite3.connect(home / "ledger.db") as ledger:
        seq = ledger.execute("SELECT max(seq) FROM ledger_events WHERE release = ?", [RELEASE]).fetchone()[0]
        event = '{"kind": "moon-phase"}'
        row = (RELEASE, seq + 1, at.isoformat(sep=" "), "newer", "0" * 64, "1" * 64, "moon-phase", event)
        columns = "release, seq, at, by, previous, hash, kind, event"
        ledger.execute(f"INSERT INTO ledger_events ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


async def turn(keeper: Keeper, clock: Any, duration: timedelta) -> None:
    """Let the resident loop turn for *duration*."""
    end = clock.now() + duration
    while clock.now() < end:
        await keeper._begin_safely()
        await keeper._finish(limit=None)
        if isinstance(clock, ModelClock):
            clock.time += TURN
        else:
            clock.now_is += TURN


async def age(hands: Outside) -> timedelta:
    """How long no keeper has given a sign of life."""
    silent = await silence(hands)
    assert silent is not None
    return silent


@pytest.mark.parametrize("trouble", [Away("the pager is away"), ValueError("a defect")])
async def test_a_keeper_older_than_the_newest_event_is_not_well_and_pages_every_channel(
    tmp_path: Path, trouble: Exception
):
    """
    After an upgrade the runs are new processes and the resident keeper is not: it sees nothing any more.
    """
    first, second = Pager(), Pager(trouble=trouble)
    async with paper_release(tmp_path) as (paper, clock):
        hands = replace(paper, runs=Alive(), channels={"pagerduty": first, "slack": second})
        keeper = Keeper(hands, "k1")
        await turn(keeper, clock, 10 * SECOND)
        well = keeper.health().ok
        write_newer_event(tmp_path, clock.now())
        await turn(keeper, clock, MINUTE)
        second.trouble = None
        await turn(keeper, clock, MINUTE)
        silent = await age(hands)

    assert well
    assert keeper.health().told["overdue"] == [RELEASE]
    assert not keeper.health().ok
    assert silent > MINUTE
    assert first.told == second.told == [f"{RELEASE} cannot be read"]


async def test_a_blind_keeper_that_is_started_again_gives_no_sign_of_life_and_pages_no_second_time(
    tmp_path: Path,
):
    """
    systemd starts a keeper that is not well again every minute; each start would be half a minute of life.
    """
    pager = Pager()
    async with paper_release(tmp_path) as (paper, clock):
        hands = replace(paper, runs=Alive(), channels={"pagerduty": pager})
        await turn(Keeper(hands, "k0"), clock, 10 * SECOND)
        write_newer_event(tmp_path, clock.now())
        began = clock.now()
        for start in range(5):
            await turn(Keeper(hands, f"k{start}"), clock, 20 * SECOND)
        silent = await age(hands)

    assert silent >= clock.now() - began
    assert pager.told == [f"{RELEASE} cannot be read"]


async def test_a_release_whose_looks_all_fail_is_paged_once_and_found_again(tmp_path: Path):
    """
    A defect in judging is no outage and no breach; nobody is protected while it lasts.
    """
    async with paper_release(tmp_path) as (paper, _):
        hands, _, _ = await soaking(paper, ModelClock(START))
        metrics = Broken(hands.metrics)
        hands = replace(hands, metrics=metrics)
        keeper = Keeper(hands, "k1")
        await turn(keeper, hands.clock, OVERDUE)
        at_first = (await hands.journal.state(RELEASE)).notices
        await turn(keeper, hands.clock, 2 * MINUTE)
        ill, silent = keeper.health(), await silence(hands)
        told = tuple((await hands.journal.state(RELEASE)).notices.values())
        metrics.broken = False
        await turn(keeper, hands.clock, MINUTE)
        lives = await age(hands)

    assert not at_first
    assert (ill.ok, ill.alive, silent) == (False, False, None)
    assert [notice.subject for notice in told] == [f"{RELEASE} is not watched"]
    assert "KeyError: 'p95'" in told[0].text
    assert keeper.health().ok
    assert lives <= 2 * TURN


async def test_one_release_that_cannot_be_looked_at_keeps_no_other_from_going_on(tmp_path: Path):
    """
    The keeper lives and systemd leaves it alone; traffic is raised for the others, and not for that one.
    """
    async with paper_release(tmp_path) as (paper, _):
        hands, _, platform = await soaking(paper, ModelClock(START))
        platform.uploaded["another"] = {"v1": STABLE}
        platform.put("another", Split.whole(STABLE.id), "its first version")
        live = await hands.target.live("another")
        await hands.journal.open("other-1", opened(service="another", live=live))
        metrics = Broken(hands.metrics)
        hands = replace(hands, metrics=metrics)
        keeper = Keeper(hands, "k1")
        await turn(keeper, hands.clock, 2 * MINUTE)
        found, lives = keeper.health(), await age(hands)
        refused = await is_refused(hands, keeper, RELEASE)
        other_refused = await is_refused(hands, keeper, "other-1")
        metrics.broken = False
        await turn(keeper, hands.clock, MINUTE)
        refused_later = await is_refused(hands, keeper, RELEASE)

    assert (found.ok, found.alive) == (False, True)
    assert found.told["overdue"] == [RELEASE]
    assert lives <= 2 * TURN
    assert "read its log: its looks at this release fail" in refused
    assert (other_refused, refused_later) == ("", "")


@dataclass
class Turning:
    """Time passes while *keeper* turns."""

    keeper: Keeper
    clock: ModelClock

    def now(self) -> datetime:
        """The keeper's time."""
        return self.clock.now()

    async def sleep(self, duration: timedelta) -> None:
        """The keeper goes on meanwhile."""
        await turn(self.keeper, self.clock, duration)


async def is_refused(hands: Outside, keeper: Keeper, release: str) -> str:
    """Why no traffic may be raised for *release*, however long that is waited for; empty when it may."""
    try:
        await guard(replace(hands, clock=Turning(keeper, hands.clock)), release, unguarded="")
    except Refused as refusal:
        return str(refusal)
    return ""


@pytest.mark.parametrize("tick", [5, 15, 60])
async def test_a_long_tick_is_no_look_that_fails(tmp_path: Path, tick: int):
    """
    Three ticks without a look are too many, whatever a tick is; between two of them nothing is wrong.
    """
    async with paper_release(tmp_path, tick=tick * SECOND) as (paper, clock):
        hands = replace(paper, runs=Alive())
        keeper = Keeper(hands, "k1")
        well = []
        for _ in range(10):
            await turn(keeper, clock, 10 * SECOND)
            well.append(keeper.health().ok)
        silent = await age(hands)

    assert all(well)
    assert silent <= 2 * TURN
