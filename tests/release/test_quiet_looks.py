"""A look at which nothing is new costs the ledger nothing, and hides nothing."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from phasegate.actions.journal import Journal
from phasegate.actions.outside import Outside
from phasegate.domain.events import AbortAsked, Acted, Driven, Intended, PhaseBegan, Soaking, Uploaded
from phasegate.domain.plan import Environment
from phasegate.domain.versions import LiveSplit, Split
from phasegate.keeper.loop import Keeper
from tests.ledger_cases import CANARY, SERVICE, STABLE
from tests.release.model_platform import START, ModelClock, ModelTarget, Outages, Platform, Process
from tests.release.paper import RELEASE, paper_release
from tests.release.standins import Asleep, Plain, SteadyMetrics, Well

pytestmark = pytest.mark.patient

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
TICK = 5 * SECOND


class Counted:
    """A ledger whose calls are counted by name."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self._ledger, name)


async def soaking(hands: Outside, clock: ModelClock) -> tuple[Outside, Counted, Platform]:
    """Half of the canary's soak is over on a platform that answers at once."""
    platform = Platform(clock)
    target = ModelTarget(platform, Process("keeper"), Outages({}))
    platform.uploaded[SERVICE] = {"v1": STABLE, "v2": CANARY}
    platform.put(SERVICE, Split.whole(STABLE.id), "the first version")
    split = Split.between(STABLE.id, CANARY.id, canary_weight=10)
    live = platform.put(SERVICE, split, f"phasegate {RELEASE}: canary")
    ledger = Counted(hands.journal.ledger)
    intent = Intended(id="i", worker=SERVICE, split=split, was="before", because="test", fence=0)
    events = (
        Driven(run="a run"),
        Uploaded(environment=Environment.PRODUCTION, version=CANARY),
        PhaseBegan(phase="canary"),
        intent,
        Acted(intent="i", worker=SERVICE, live=live),
        Soaking(phase="canary", since=clock.now(), until=clock.now() + timedelta(hours=1)),
    )
    for event in events:
        await hands.journal.ledger.append(RELEASE, event, by="test", at=clock.now(), expected=None)
    clock.time += timedelta(minutes=30)
    changed: dict[str, Any] = {
        "journal": Journal(ledger, clock, driver="keeper"),  # type: ignore[arg-type]
        "clock": clock,
        "target": target,
        "metrics": SteadyMetrics(target),
        "checks": Well(clock),
        "runs": Asleep(),
        "pictures": Plain(),
    }
    return replace(hands, **changed), ledger, platform


async def test_a_look_at_which_nothing_is_new_reads_the_list_of_releases_and_nothing_else(tmp_path: Path):
    """
    Five hundred releases share one core and one disk; most looks come between two intervals.
    """
    async with paper_release(tmp_path) as (paper, _):
        hands, ledger, _ = await soaking(paper, ModelClock(START))
        keeper = Keeper(hands, "k1")
        for _ in range(3):
            await keeper.tick()
            hands.clock.time += TICK
        ledger.calls.clear()

        await keeper.tick()

    assert ledger.calls == {"releases": 1}


async def test_a_quiet_look_compares_what_is_live(tmp_path: Path):
    """
    Somebody who deploys in between is noticed at the next tick as ever.
    """
    async with paper_release(tmp_path) as (paper, _):
        hands, _, platform = await soaking(paper, ModelClock(START))
        keeper = Keeper(hands, "k1")
        for _ in range(3):
            await keeper.tick()
            hands.clock.time += TICK
        platform.put(SERVICE, Split.whole(CANARY.id), "a hotfix")

        await keeper.tick()
        state = await hands.journal.state(RELEASE)

    assert state.drift is not None


async def test_a_quiet_look_sees_what_another_driver_wrote(tmp_path: Path):
    """
    The list says how far each release got; an abort is acted on at the next tick.
    """
    async with paper_release(tmp_path) as (paper, _):
        hands, ledger, platform = await soaking(paper, ModelClock(START))
        keeper = Keeper(hands, "k1")
        for _ in range(3):
            await keeper.tick()
            hands.clock.time += TICK
        called_off = AbortAsked(by="ada", reason="wrong prices")
        await ledger.append(RELEASE, called_off, by="ada", at=hands.clock.now(), expected=None)

        await keeper.tick()

    assert platform.newest(SERVICE).split == Split.whole(STABLE.id)


async def test_an_interval_is_read_at_the_tick_at_which_it_is_there(tmp_path: Path):
    """
    What is skipped is asking again, never what is new: a breach shows at the tick after its counts.
    """
    async with paper_release(tmp_path) as (paper, _):
        hands, _, platform = await soaking(paper, ModelClock(START))
        metrics = SteadyMetrics(hands.target, {})
        keeper = Keeper(replace(hands, metrics=metrics), "k1")
        for _ in range(3):
            await keeper.tick()
            hands.clock.time += TICK
        metrics.rates = {"v2": 0.5}
        looks = 0
        while platform.newest(SERVICE).split.weight(CANARY.id) and looks < 40:
            await keeper.tick()
            hands.clock.time += TICK
            looks += 1
        state = await hands.journal.state(RELEASE)
        minutes = await hands.journal.ledger.minutes(RELEASE, SERVICE)

    first = next(minute for minute in minutes if minute.errors(CANARY.id))
    assert state.breached_at is not None
    assert state.breached_at - (first.end + state.plan.telemetry.settle) <= TICK
    assert isinstance(state.live, LiveSplit)


async def test_what_a_look_has_stored_itself_is_not_read_back(tmp_path: Path):
    """
    Five hundred intervals end in the same second; each read would be paid for five hundred times.
    """
    async with paper_release(tmp_path) as (paper, _):
        hands, ledger, _ = await soaking(replace(paper, second=None), ModelClock(START))
        keeper = Keeper(hands, "k1")
        for _ in range(3):
            await keeper.tick()
            hands.clock.time += TICK
        hands.clock.time += MINUTE
        # Showing it to people reads everything, and is not what is counted here.
        keeper.watch.shown[RELEASE] = hands.clock.now()
        ledger.calls.clear()

        await keeper.tick()

    assert (ledger.calls["add_minutes"], ledger.calls["minutes"]) == (1, 0)
    assert (ledger.calls["add_probe"], ledger.calls["probes"]) == (1, 1)


async def test_what_another_keeper_stored_first_is_read(tmp_path: Path):
    """
    Both must judge by the same observations, whoever of them was quicker.
    """
    async with paper_release(tmp_path) as (paper, _):
        hands, ledger, _ = await soaking(replace(paper, second=None), ModelClock(START))
        first, second = Keeper(hands, "k1"), Keeper(hands, "k2")
        for _ in range(3):
            await first.tick()
            await second.tick()
            hands.clock.time += TICK
        hands.clock.time += MINUTE
        await first.tick()
        second.watch.shown[RELEASE] = hands.clock.now()
        ledger.calls.clear()

        await second.tick()
        state = await hands.journal.state(RELEASE)

    assert ledger.calls["minutes"] == 1
    known = [keeper.watch.judging.known(state) for keeper in (first, second)]
    assert known[0] == known[1]
    assert known[0].probed is not None


async def test_in_a_long_soak_the_orchestrator_is_asked_rarely_and_often_when_it_is_over(tmp_path: Path):
    """
    Two hundred runs that sleep need no answer every three seconds; one that is to be woken does.
    """
    async with paper_release(tmp_path) as (paper, _):
        hands, _, _ = await soaking(replace(paper, second=None), ModelClock(START))
        runs = Counted(Asleep())
        keeper = Keeper(replace(hands, runs=runs), "k1")  # type: ignore[arg-type]

        in_soak = await _asked(keeper, runs, hands.clock)
        hands.clock.time += timedelta(hours=1)
        after = await _asked(keeper, runs, hands.clock)

    assert in_soak == 20
    assert after == 60


async def _asked(keeper: Keeper, runs: Counted, clock: Any) -> int:
    """How often the status of the run was asked for in five minutes of ticks of five seconds."""
    runs.calls.clear()
    for _ in range(60):
        await keeper.tick()
        clock.time += TICK
    return runs.calls["status"]
