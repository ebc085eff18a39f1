"""A production phase at 0 %: the candidate is part of the split, so that overrides reach it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phasegate.actions.deploying import promote
from phasegate.actions.outside import Outside
from phasegate.actions.rollback import restore
from phasegate.domain.errors import Refused
from phasegate.domain.events import AbortAsked, Event, Intended, PhaseBegan, Uploaded
from phasegate.domain.plan import Environment, Phase
from phasegate.domain.versions import Split
from phasegate.settings import Settings
from phasegate.wiring import read_plan
from tests.ledger_cases import CANARY, SERVICE, STABLE
from tests.release.model_platform import ModelClock, ModelTarget, Outages, Platform, Process
from tests.release.paper import RELEASE, paper_release

pytestmark = pytest.mark.patient

ALONE, LISTED = Split.whole(STABLE.id), Split.between(STABLE.id, CANARY.id, canary_weight=0)
PENDING = Intended(id="i", worker=SERVICE, split=LISTED, was="d1", because="test", fence=0)


@asynccontextmanager
async def in_the_dark(home: Path, *events: Event) -> AsyncIterator[tuple[Outside, Platform, Phase]]:
    """A release whose first phase in production is one at 0 %; nothing of it is live yet."""
    phases = read_plan(Settings(), "production").phases[1:]
    dark = phases[0].model_copy(update={"name": "dark", "weight": 0.0})
    async with paper_release(home, phases=(dark, *phases)) as (paper, _):
        platform = Platform(ModelClock(paper.clock.now()))
        platform.uploaded[SERVICE] = {"v1": STABLE, "v2": CANARY}
        platform.put(SERVICE, ALONE, "the first version")
        changed: Any = {"target": ModelTarget(platform, Process("run"), Outages({}))}
        uploaded = Uploaded(environment=Environment.PRODUCTION, version=CANARY)
        for event in (uploaded, PhaseBegan(phase="dark"), *events):
            now = paper.clock.now()
            await paper.journal.ledger.append(RELEASE, event, by="test", at=now, expected=None)
        yield replace(paper, **changed), platform, dark


def listed(platform: Platform) -> dict[str, float]:
    """The versions of the live split with their weights."""
    return {share.version: share.weight for share in platform.newest(SERVICE).split.shares}


@pytest.mark.parametrize("events", [(), (PENDING,)], ids=["nothing done", "a write that was lost"])
async def test_a_candidate_at_zero_is_listed_in_the_split(tmp_path: Path, events: tuple[Event, ...]):
    """
    No traffic changes, and yet health checks by override would reach nothing without it.
    """
    async with in_the_dark(tmp_path, *events) as (hands, platform, dark):
        state = await promote(hands, RELEASE, dark)

    assert listed(platform) == {STABLE.id: 100, CANARY.id: 0}
    assert state.live.split.same_listing(LISTED)
    assert not state.exposed


async def test_a_candidate_that_is_listed_is_not_listed_again(tmp_path: Path):
    """
    A run that is called again writes nothing twice.
    """
    async with in_the_dark(tmp_path) as (hands, platform, dark):
        await promote(hands, RELEASE, dark)
        await promote(hands, RELEASE, dark)

    assert len(platform.deployments[SERVICE]) == 2


async def test_a_release_called_off_at_zero_is_back_without_a_write(tmp_path: Path):
    """
    To take back is a matter of traffic, and the candidate has none.
    """
    async with in_the_dark(tmp_path) as (hands, platform, dark):
        await promote(hands, RELEASE, dark)
        await hands.journal.record(RELEASE, lambda s: AbortAsked(by="ada", reason="wrong prices"))
        state = await restore(hands, RELEASE)
        with pytest.raises(Refused):
            await promote(hands, RELEASE, dark)

    assert state.restored_at is not None
    assert len(platform.deployments[SERVICE]) == 2
