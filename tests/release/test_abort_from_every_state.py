"""`phasegate abort` needs nobody else: no run, no worker, no keeper, whatever the release is just doing."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from phasegate.actions.aborting import abort
from phasegate.actions.gates import ask
from phasegate.actions.journal import Journal
from phasegate.actions.outside import Outside
from phasegate.domain import events as e
from phasegate.domain.errors import Refused
from phasegate.domain.plan import Environment
from phasegate.domain.versions import LiveSplit, Split
from tests.ledger_cases import CANARY, MINUTE, SERVICE, STABLE, T0
from tests.release.model_platform import ModelClock, ModelTarget, Outages, Platform, Process
from tests.release.paper import RELEASE, paper_release
from tests.release.standins import Alive, Plain, SteadyMetrics, Well

pytestmark = pytest.mark.patient

WHOLE = Split.whole(STABLE.id)
TENTH, HALF = (Split.between(STABLE.id, CANARY.id, canary_weight=weight) for weight in (10, 50))
REASON = e.AbortAsked(by="ada", reason="wrong prices")


@dataclass(frozen=True)
class Stand:
    """A release on a model of the platform, as far as its events go; nobody drives it."""

    hands: Outside
    platform: Platform

    async def write(self, *events: e.Event) -> None:
        """Add events as some run did before it died."""
        for event in events:
            await self.hands.journal.record(RELEASE, lambda _, event=event: event)  # type: ignore[misc]

    async def at(self, split: Split) -> None:
        """The split was meant, written and noted."""
        await self.meant(split)
        live = self.platform.put(SERVICE, split, f"phasegate {RELEASE}: {split}")
        await self.write(e.Acted(intent=self.intent(split), worker=SERVICE, live=live))

    async def meant(self, split: Split) -> None:
        """The split was meant; whoever did died before it could note how that went."""
        was = self.platform.newest(SERVICE).id
        intent = e.Intended(
            id=self.intent(split), worker=SERVICE, split=split, was=was, because="test", fence=0
        )
        await self.write(intent)

    def intent(self, split: Split) -> str:
        """Its name."""
        return f"to-{split.weight(CANARY.id):g}"


@asynccontextmanager
async def stand(home: Path) -> AsyncIterator[Stand]:
    """A release that was opened; no run has said that it drives it."""
    async with paper_release(home) as (paper, _):
        clock = ModelClock(T0)
        platform = Platform(clock)
        target = ModelTarget(platform, Process("ada"), Outages({}))
        platform.uploaded[SERVICE] = {"v1": STABLE, "v2": CANARY}
        platform.put(SERVICE, WHOLE, "the first version")
        changed: dict[str, Any] = {
            "journal": Journal(paper.journal.ledger, clock, driver="abort by ada"),  # type: ignore[arg-type]
            "clock": clock,
            "target": target,
            "metrics": SteadyMetrics(target),
            "checks": Well(clock),
            "runs": Alive(),
            "pictures": Plain(),
        }
        yield Stand(replace(paper, **changed), platform)


async def opened(_: Stand) -> None:
    """Before a run has said that it exists."""


async def staging(world: Stand) -> None:
    """In staging, nothing of it in production."""
    await world.write(e.Driven(run="a run"), e.PhaseBegan(phase="staging"))


async def soaking(world: Stand) -> None:
    """In the canary's soak, its run suspended."""
    await staging(world)
    await world.write(
        e.Uploaded(environment=Environment.PRODUCTION, version=CANARY), e.PhaseBegan(phase="canary")
    )
    await world.at(TENTH)
    await world.write(e.Soaking(phase="canary", since=T0, until=T0 + 60 * MINUTE))


async def asking(world: Stand) -> None:
    """At a gate, its run suspended."""
    await soaking(world)
    phase = (await world.hands.journal.state(RELEASE)).plan.phase("canary")
    await ask(world.hands, RELEASE, phase, gate=phase.hold, hold=True, evidence="thin")


async def promoting(world: Stand) -> None:
    """The next split is meant and not written."""
    await soaking(world)
    await world.write(e.PhaseBegan(phase="partial"))
    await world.meant(HALF)


async def promoting_unnoted(world: Stand) -> None:
    """The next split is written, and whoever wrote it died before it was noted."""
    await promoting(world)
    world.platform.put(SERVICE, HALF, f"phasegate {RELEASE}: to-50")


async def rolling_back(world: Stand) -> None:
    """Called off already, and whoever was to restore died before the write."""
    await soaking(world)
    await world.write(REASON)
    await world.meant(WHOLE)


ACTIVE = (opened, staging, soaking, asking, promoting, promoting_unnoted, rolling_back)


@pytest.mark.parametrize("state", ACTIVE, ids=lambda state: state.__name__)
async def test_an_abort_ends_with_the_known_good_version_whole(tmp_path: Path, state: Callable[[Stand], Any]):
    """
    Whoever wants a release gone must not have to know what it is doing, or whether anything of it lives.
    """
    async with stand(tmp_path) as world:
        await state(world)

        known = await abort(world.hands, RELEASE, by="ada", reason="wrong prices", over_changed_secrets=False)

        assert world.platform.newest(SERVICE).split == WHOLE
        assert known.aborting
        assert known.pending is None
        assert not known.exposed


@pytest.mark.parametrize("outcome", [e.Outcome.PROMOTED, e.Outcome.ROLLED_BACK, e.Outcome.ABANDONED])
async def test_a_release_that_has_ended_is_not_aborted(tmp_path: Path, outcome: e.Outcome):
    """
    Its service may serve another release's version by now.
    """
    async with stand(tmp_path) as world:
        await soaking(world)
        await world.write(e.Ended(outcome=outcome, summary="it is over"))
        before: LiveSplit = world.platform.newest(SERVICE)

        with pytest.raises(Refused, match="has ended already: it is over"):
            await abort(world.hands, RELEASE, by="ada", reason="too late", over_changed_secrets=False)

        assert world.platform.newest(SERVICE) == before
