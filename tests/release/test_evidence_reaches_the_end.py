"""A soak is passed on evidence of the whole of it, not of the part that the source told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from phasegate.actions.advancing import judge_phase
from phasegate.actions.judging import Judging
from phasegate.actions.outside import Outside
from phasegate.domain.decision import Action, Decision
from phasegate.domain.errors import MetricsAway
from phasegate.domain.events import Judged
from phasegate.domain.observation import Batch
from phasegate.keeper.watch import Watch
from tests.ledger_cases import CANARY, answered, asked
from tests.release.model_platform import START, ModelClock
from tests.release.paper import RELEASE, paper_release
from tests.release.standins import SteadyMetrics
from tests.release.test_quiet_looks import soaking

pytestmark = pytest.mark.patient

MINUTE = timedelta(minutes=1)
SETTLE = 2 * MINUTE
END = START + timedelta(hours=1)


@dataclass
class Failing(SteadyMetrics):
    """A source that goes away at a moment: of what came later it tells nothing."""

    gone: datetime = field(kw_only=True)

    async def collect(self, *args: object, since: datetime, **kwargs: object) -> Batch:
        """The intervals before the gap."""
        if since >= self.gone:
            raise MetricsAway("down")
        batch = await super().collect(*args, since=since, **kwargs)  # type: ignore[arg-type]
        known = tuple(minute for minute in batch.minutes if minute.end <= self.gone)
        return batch.model_copy(update={"minutes": known})


@asynccontextmanager
async def over(
    home: Path, *, lacking: timedelta, looked: bool = True
) -> AsyncIterator[tuple[Outside, Failing]]:
    """A canary whose soak is over and settled; telemetry went away *lacking* before its end."""
    async with paper_release(home) as (paper, _):
        hands, _, _ = await soaking(paper, ModelClock(START))
        metrics = Failing(hands.metrics.target, gone=END - lacking)
        hands = replace(hands, metrics=metrics)
        hands.clock.time = END - lacking + SETTLE
        if looked:
            await Watch(hands).protect(RELEASE)
        hands.clock.time = END + SETTLE
        yield hands, metrics


async def judged(hands: Outside) -> Decision | None:
    """What a run that wakes at the end of the soak decides."""
    phase = (await hands.journal.state(RELEASE)).plan.phase("canary")
    return await judge_phase(hands, RELEASE, phase, Judging())


async def final(hands: Outside) -> list[str]:
    """The findings on which something was decided."""
    rows = await hands.journal.ledger.events(RELEASE)
    return [r.event.verdict.finding for r in rows if isinstance(r.event, Judged) and r.event.final]


@pytest.mark.parametrize("looked", [True, False], ids=["the keeper had watched", "the run looks first"])
async def test_a_soak_whose_last_minutes_are_unknown_is_not_passed(tmp_path: Path, looked: bool):
    """
    Too short to count as silence, and long enough for a version to turn sick.
    """
    async with over(tmp_path, lacking=14 * MINUTE, looked=looked) as (hands, _):
        with pytest.raises(MetricsAway, match="until 2026-02-17 03:46:00 UTC only"):
            await judged(hands)
        known = await final(hands)

    assert known == []


async def test_what_turned_sick_while_telemetry_was_away_is_taken_back_when_it_answers(tmp_path: Path):
    """
    The weight was not raised meanwhile.
    """
    async with over(tmp_path, lacking=14 * MINUTE) as (hands, metrics):
        with pytest.raises(MetricsAway):
            await judged(hands)
        metrics.gone, metrics.rates = END + timedelta(hours=1), {CANARY.tag: 0.33}

        decision = await judged(hands)
        state = await hands.journal.state(RELEASE)

    assert decision is None
    assert state.breach[0].criterion == "error-rate"


async def test_a_source_that_goes_away_when_all_is_known_delays_nothing(tmp_path: Path):
    """
    The evidence is whole; what does not answer now has nothing to add.
    """
    async with over(tmp_path, lacking=timedelta(0)) as (hands, _):
        decision = await judged(hands)
        known = await final(hands)

    assert decision is not None
    assert known == ["healthy"]


async def test_a_silence_that_holds_is_decided_as_the_plan_says(tmp_path: Path):
    """
    From then on the verdict itself says that nothing is known, and a person may be asked.
    """
    async with over(tmp_path, lacking=16 * MINUTE) as (hands, _):
        decision = await judged(hands)

    assert decision is not None
    assert decision.action is Action.EXTEND


async def test_a_person_may_pass_what_is_unknown(tmp_path: Path):
    """
    Who answered a hold has read what it is that nobody knows.
    """
    async with over(tmp_path, lacking=14 * MINUTE) as (hands, _):
        answers = (answered("engineering-lead"), answered("product-owner"))
        for event in (asked(phase="canary", hold=True), *answers):
            await hands.journal.ledger.append(RELEASE, event, by="test", at=hands.clock.now(), expected=None)

        decision = await judged(hands)

    assert decision is not None
    assert decision.action is Action.PROMOTE
