"""What people are told while a release cannot be taken back is what production does."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from phasegate.actions.advancing import call_off
from phasegate.actions.outside import Outside
from phasegate.domain.errors import CannotRestore, PhasegateError, SettingsError, TargetAway
from phasegate.domain.events import AbortAsked, Noted
from phasegate.domain.versions import LiveSplit, Split
from phasegate.keeper.care import TRIES
from phasegate.keeper.paging import PATIENCE
from phasegate.keeper.watch import Watch
from phasegate.ports import RunStatus
from tests.ledger_cases import CANARY, SERVICE, STABLE
from tests.release.model_platform import START, ModelClock, Platform
from tests.release.paper import RELEASE, paper_release
from tests.release.standins import Alive
from tests.release.test_quiet_looks import soaking

SECOND, HALF_A_DAY = timedelta(seconds=1), timedelta(hours=12)
TOKEN = SettingsError("PHASEGATE_TOKEN is refused")


@dataclass
class Dying(Alive):
    """An orchestrator whose every run is dead; ``started`` counts those it was asked for."""

    started: int = 0

    async def status(self, run: str) -> RunStatus:
        """Dead."""
        return RunStatus.LOST

    async def roll_back(self, release: str, *, reason: str, lost: str = "") -> str:
        """Another run that dies."""
        self.started += 1
        return f"rollback-{self.started}"


class Refusing:
    """A platform that can be read; each write meets ``refusal``, each reading ``unreadable``."""

    def __init__(self, target: Any, refusal: PhasegateError | None) -> None:
        self._target = target
        self.refusal = refusal
        self.unreadable: PhasegateError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    async def live(self, worker: str) -> LiveSplit | None:
        """What is live."""
        if self.unreadable is not None:
            raise self.unreadable
        found: LiveSplit | None = await self._target.live(worker)
        return found

    async def set_split(self, worker: str, split: Split, **how: Any) -> LiveSplit:
        """Refused, while there is a refusal."""
        if self.refusal is not None:
            raise self.refusal
        done: LiveSplit = await self._target.set_split(worker, split, **how)
        return done


async def sick(paper: Outside, refusal: PhasegateError | None) -> tuple[Outside, Refusing, Dying, Platform]:
    """The candidate takes 10 %; the platform will refuse to take it back."""
    hands, _, platform = await soaking(replace(paper, second=None), ModelClock(START))
    target, runs = Refusing(hands.target, refusal), Dying()
    changed: Mapping[str, Any] = {"target": target, "runs": runs}
    return replace(hands, **changed), target, runs, platform


async def called_off(hands: Outside) -> None:
    await call_off(hands, RELEASE, by="ada", reason="wrong totals")


async def looks(hands: Outside, watch: Watch, *, during: timedelta, every: timedelta = 5 * SECOND) -> None:
    """A keeper's looks for so long."""
    clock: Any = hands.clock
    end = clock.now() + during
    while clock.now() < end:
        await watch.look_at(RELEASE)
        clock.time += every


async def told(hands: Outside) -> list[str]:
    """Everything that people were told, in order."""
    notices = (await hands.journal.state(RELEASE)).notices.values()
    return [f"{notice.subject}: {notice.text}" for notice in notices]


async def test_while_the_platform_refuses_the_known_good_version_no_run_is_sent_to_die_of_it(tmp_path: Path):
    """
    Its page says what serves; a second one about dead runs would only be read as the end of the matter.
    """
    async with paper_release(tmp_path) as (paper, _):
        hands, target, runs, platform = await sick(paper, CannotRestore("the version is broken (10021)"))
        await called_off(hands)
        watch = Watch(hands)
        await looks(hands, watch, during=timedelta(minutes=20))
        held, sent = await told(hands), runs.started
        target.refusal = None
        await looks(hands, watch, during=timedelta(minutes=2))

    assert sent == 0
    assert len(held) == 1
    assert "The candidate still takes 10 %" in held[0]
    assert platform.newest(SERVICE).split == Split.whole(STABLE.id)
    assert runs.started > 0


async def test_a_foreign_split_without_the_candidate_is_paged_once_however_many_runs_are_dead(tmp_path: Path):
    """
    The release waits for a person; there is nothing that a run could do.
    """
    async with paper_release(tmp_path) as (paper, _):
        hands, _, runs, platform = await sick(paper, None)
        hotfix = platform.version(SERVICE, "hotfix", "hotfix")
        platform.put(SERVICE, Split.whole(hotfix.id), "a hotfix")
        await called_off(hands)
        await looks(hands, Watch(hands), during=timedelta(minutes=20))
        pages = await told(hands)

    assert runs.started == 0
    assert len(pages) == 1
    assert "somebody else deployed" in pages[0]


async def test_that_runs_die_is_told_with_what_serves(tmp_path: Path):
    """
    "v1 is kept at 100 %" lets whoever is on call go back to sleep while one user in ten fails.
    """
    async with paper_release(tmp_path) as (paper, _):
        hands, _, runs, _ = await sick(paper, TOKEN)
        await called_off(hands)
        await looks(hands, Watch(hands), during=timedelta(minutes=5))
        pages = await told(hands)

    dead = [page for page in pages if "runs in a row died" in page]
    assert runs.started == TRIES
    assert len(dead) == 1
    assert "NOT taken back" in dead[0]
    assert f"{CANARY.label} 10 %" in dead[0]
    assert "kept at 100 %" not in dead[0]


async def test_that_runs_die_after_the_take_back_is_told_as_that(tmp_path: Path):
    """
    Production is well; what is left is to verify it and to say so.
    """
    async with paper_release(tmp_path) as (paper, _):
        hands, _, _, _ = await sick(paper, None)
        await called_off(hands)
        await looks(hands, Watch(hands), during=timedelta(minutes=5))
        pages = await told(hands)

    dead = [page for page in pages if "runs in a row died" in page]
    assert len(dead) == 1
    assert f"{STABLE.label} serves 100 %" in dead[0]
    assert "NOT" not in dead[0]


async def test_a_trouble_that_was_paged_and_passed_is_paged_again_when_it_stops_a_take_back(tmp_path: Path):
    """
    A reading was refused in the morning; in the evening the candidate must go and the token is refused.
    """
    async with paper_release(tmp_path) as (paper, _):
        hands, target, _, _ = await sick(paper, None)
        hands = replace(hands, runs=Alive())
        watch = Watch(hands)
        target.unreadable = TOKEN
        await looks(hands, watch, during=10 * SECOND)
        morning = len(await told(hands))
        target.unreadable, target.refusal = None, TOKEN
        clock: Any = hands.clock
        clock.time += HALF_A_DAY
        await called_off(hands)
        await looks(hands, watch, during=2 * PATIENCE)
        pages = (await told(hands))[morning:]

    assert morning == 1
    assert [page.split(": ")[0] for page in pages] == [
        f"{RELEASE} needs a person",
        f"{RELEASE} is not taken back yet",
    ]
    assert f"{CANARY.label} 10 %" in pages[1]


@pytest.mark.parametrize("trouble", [TOKEN, TargetAway("the platform is away")])
async def test_a_candidate_that_serves_again_and_cannot_be_taken_back_is_paged(
    tmp_path: Path, trouble: PhasegateError
):
    """
    That it had been taken back once says nothing of now.
    """
    async with paper_release(tmp_path) as (paper, _):
        hands, target, _, platform = await sick(paper, None)
        hands = replace(hands, runs=Alive())
        await hands.journal.record(RELEASE, lambda s: AbortAsked(by="ada", reason="wrong totals"))
        watch = Watch(hands)
        await looks(hands, watch, during=10 * SECOND)
        platform.put(SERVICE, Split.whole(CANARY.id), "by mistake")
        target.refusal = trouble
        await looks(hands, watch, during=2 * PATIENCE)
        await hands.journal.record(RELEASE, lambda s: Noted(text="the last look"))
        await watch.look_at(RELEASE)
        pages = await told(hands)

    late = [page for page in pages if "is not taken back yet" in page]
    assert len(late) == 1
    assert f"{CANARY.label} 100 %" in late[0]
