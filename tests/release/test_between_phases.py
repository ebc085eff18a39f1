"""Between two phases the candidate takes traffic like everywhere, and is watched like everywhere."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from phasegate.actions.advancing import judge_phase
from phasegate.actions.crosscheck import cross_check
from phasegate.actions.judging import Judging
from phasegate.actions.outside import Outside
from phasegate.cli_ledger_minutes import recorded
from phasegate.domain.events import Event, KnownGood, PhaseBegan, PhaseEnded, Soaking
from phasegate.domain.judge.replay import agrees, recorded_and_replayed
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.observation import Batch
from phasegate.domain.plan import CrossCheck
from phasegate.domain.sources import Invocations
from phasegate.keeper.watch import Watch
from tests.ledger_cases import CANARY, STABLE, shifted
from tests.release.model_platform import START, ModelClock
from tests.release.paper import RELEASE, paper_release
from tests.release.standins import SteadyMetrics
from tests.release.test_quiet_looks import soaking

pytestmark = pytest.mark.patient

MINUTE = timedelta(minutes=1)
OVER = (PhaseEnded(phase="canary"),)
WAITS = (*OVER, PhaseBegan(phase="partial"))
LAST = (*WAITS, PhaseEnded(phase="partial"), PhaseBegan(phase="full"), PhaseEnded(phase="full"))


async def noted(hands: Outside, *events: Event) -> None:
    """*events* happen now."""
    for event in events:
        await hands.journal.ledger.append(RELEASE, event, by="test", at=hands.clock.now(), expected=None)


@asynccontextmanager
async def in_between(home: Path, *events: Event) -> AsyncIterator[tuple[Outside, Watch]]:
    """A canary that was well for its whole soak; then *events*, and ten minutes pass."""
    async with paper_release(home) as (paper, _):
        hands, _, _ = await soaking(paper, ModelClock(START))
        hands.clock.time += 35 * MINUTE
        watch = Watch(hands)
        await watch.protect(RELEASE)
        await noted(hands, *events)
        hands.clock.time += 10 * MINUTE
        yield hands, watch


def sick(hands: Outside) -> None:
    """One in three requests to the candidate fails, in every interval that is not collected yet."""
    assert isinstance(hands.metrics, SteadyMetrics)
    hands.metrics.rates = {CANARY.tag: 0.33}


@dataclass
class Meanwhile(SteadyMetrics):
    """A source during whose answer something else happens to the release."""

    hands: Outside = field(kw_only=True)
    events: tuple[Event, ...] = field(kw_only=True)

    async def collect(self, *args: object, **kwargs: object) -> Batch:
        """The counts, when the events are noted."""
        await noted(self.hands, *self.events)
        return await super().collect(*args, **kwargs)  # type: ignore[arg-type]


@dataclass
class Accusing:
    """A second source by which every invocation of the candidate failed."""

    async def count(
        self, worker: str, *, since: datetime, until: datetime
    ) -> tuple[tuple[Invocations, ...], str]:
        """As many requests to both versions."""
        found = (
            Invocations(version=CANARY.id, requests=900, errors=900),
            Invocations(version=STABLE.id, requests=900, errors=0),
        )
        return found, "all of them"


async def seen_twice(hands: Outside) -> ReleaseState:
    """The release as it is, by a plan that compares two sources of metrics."""
    state = await hands.journal.state(RELEASE)
    telemetry = state.plan.telemetry.model_copy(update={"cross_check": CrossCheck()})
    return state.model_copy(update={"plan": state.plan.model_copy(update={"telemetry": telemetry})})


@pytest.mark.parametrize("events", [OVER, WAITS, LAST], ids=["ended", "next one waits", "last one ended"])
async def test_a_candidate_that_turns_sick_between_two_phases_is_taken_back(
    tmp_path: Path, events: tuple[Event, ...]
):
    """
    A freeze, an outage or a foreign deployment may keep the next phase waiting for days.
    """
    async with in_between(tmp_path, *events) as (hands, watch):
        sick(hands)

        await watch.protect(RELEASE)
        state = await hands.journal.state(RELEASE)

    assert state.breach[0].criterion == "error-rate"
    assert state.live.split.weight(STABLE.id) == 100


async def test_what_was_judged_between_two_phases_is_found_again_by_a_replay(tmp_path: Path):
    """
    The keeper that has watched all along and whoever reads the ledger later agree.
    """
    async with in_between(tmp_path, *WAITS) as (hands, watch):
        await watch.protect(RELEASE)
        hands.clock.time += 5 * MINUTE
        sick(hands)
        await watch.protect(RELEASE)
        recording = await recorded(str(tmp_path / "ledger.db"), RELEASE)

    pairs = recorded_and_replayed(recording)
    assert [verdict.phase for verdict, _ in pairs] == ["canary"] * len(pairs)
    assert len(recording.breaches) == 1
    assert all(agrees(*pair) for pair in pairs)


async def test_a_candidate_that_stays_well_between_two_phases_is_left_alone(tmp_path: Path):
    """
    Watching longer is no reason to find something.
    """
    async with in_between(tmp_path, *WAITS) as (hands, watch):
        await watch.protect(RELEASE)
        state = await hands.journal.state(RELEASE)

    assert not state.aborting
    assert state.verdict is not None
    assert (state.verdict.phase, state.verdict.finding) == ("canary", "healthy")
    assert state.live.split.weight(CANARY.id) == 10


async def test_harm_counts_although_the_next_phase_begins_during_the_look(tmp_path: Path):
    """
    The next one's windows are empty: what was seen once would have to be seen again at more traffic.
    """
    async with in_between(tmp_path, *WAITS) as (hands, watch):
        begins = Soaking(phase="partial", since=hands.clock.now(), until=hands.clock.now() + 60 * MINUTE)
        assert isinstance(hands.metrics, SteadyMetrics)
        metrics = Meanwhile(hands.metrics.target, {CANARY.tag: 0.33}, hands=hands, events=(begins,))

        watch.outside = replace(hands, metrics=metrics)
        await watch.protect(RELEASE)
        state = await hands.journal.state(RELEASE)
        recording = await recorded(str(tmp_path / "ledger.db"), RELEASE)

    assert state.aborting
    assert recording.breaches[0].phase == "canary"
    assert all(agrees(*pair) for pair in recorded_and_replayed(recording))


async def test_a_verdict_of_the_phase_before_is_none_of_the_next(tmp_path: Path):
    """
    People would read of 10 % what they think is said of 50 %.
    """
    async with in_between(tmp_path, *WAITS) as (hands, watch):
        await watch.protect(RELEASE)
        now = hands.clock.now()
        await noted(hands, Soaking(phase="partial", since=now, until=now + 60 * MINUTE))
        state = await hands.journal.state(RELEASE)

    assert state.verdict is None


@pytest.mark.parametrize("events", [OVER, WAITS])
async def test_the_second_source_accuses_between_two_phases_as_well(
    tmp_path: Path, events: tuple[Event, ...]
):
    """
    It speaks when telemetry is away, and telemetry may go away at any time.
    """
    async with in_between(tmp_path, *events) as (hands, _):
        state = await seen_twice(hands)
        state = await cross_check(replace(hands, second=Accusing()), state, state.plan.phase("canary"))

    assert state.breach[0].rule == "second-source"


async def test_a_promoted_candidate_is_not_taken_back_to_itself(tmp_path: Path):
    """
    Known good already, not ended yet: a breach would call off what there is no way back from.
    """
    async with in_between(tmp_path, *LAST) as (hands, watch):
        state = await seen_twice(hands)
        known_good = KnownGood(version=CANARY)
        sick(hands)
        assert isinstance(hands.metrics, SteadyMetrics)
        metrics = Meanwhile(hands.metrics.target, hands.metrics.rates, hands=hands, events=(known_good,))

        watch.outside = replace(hands, metrics=metrics)
        await watch.protect(RELEASE)
        await watch.protect(RELEASE)
        by_second = await cross_check(replace(hands, second=Accusing()), state, state.plan.phase("canary"))
        state = await hands.journal.state(RELEASE)

    assert state.promoted
    assert not state.aborting
    assert not by_second.aborting


async def test_a_phase_whose_run_died_after_its_weight_was_set_is_watched_all_the_same(tmp_path: Path):
    """
    The orchestrator that would replace the run may be away for as long as the candidate has traffic.
    """
    async with in_between(tmp_path, *WAITS, *shifted(50)) as (hands, watch):
        await watch.protect(RELEASE)
        begun = await hands.journal.state(RELEASE)
        sick(hands)
        hands.clock.time += 15 * MINUTE
        await watch.protect(RELEASE)
        state = await hands.journal.state(RELEASE)

    assert begun.watched == begun.plan.phase("partial")
    assert begun.soaks["partial"].until - begun.soaks["partial"].since == timedelta(hours=4)
    assert state.aborting


async def test_a_weight_that_may_not_be_live_yet_begins_no_soak(tmp_path: Path):
    """
    A soak that runs while its traffic is still awaited proves less than it says.
    """
    async with in_between(tmp_path, *WAITS, shifted(50)[0]) as (hands, watch):
        await watch.protect(RELEASE)
        state = await hands.journal.state(RELEASE)

    assert list(state.soaks) == ["canary"]


async def test_a_phase_is_not_judged_by_what_the_one_before_it_showed(tmp_path: Path):
    """
    Its soak has not begun, so there is nothing that could be decided of it.
    """
    async with in_between(tmp_path, *WAITS) as (hands, _):
        state = await hands.journal.state(RELEASE)

        decision = await judge_phase(hands, RELEASE, state.plan.phase("partial"), Judging())
        kinds = [row.event.kind for row in await hands.journal.ledger.events(RELEASE)]

    assert decision is None
    assert "decided" not in kinds
