"""What only people can see is asked of them, and silence counts only when somebody heard the question."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from phasegate.actions.advancing import begin_soak, extend
from phasegate.actions.inquiring import unasked
from phasegate.actions.outside import Outside
from phasegate.domain.criteria import Level
from phasegate.domain.decision import Action
from phasegate.domain.events import PhaseBegan
from phasegate.domain.plan import Phase
from tests.release.paper import RELEASE, paper_release

pytestmark = pytest.mark.patient


async def soaking(hands: Outside) -> Phase:
    """The canary phase has begun and is watched for two hours."""
    state = await hands.journal.record(RELEASE, lambda s: PhaseBegan(phase="canary"))
    phase, now = state.plan.phase("canary"), hands.clock.now()
    for _ in range(2):
        await begin_soak(hands, RELEASE, phase, since=now, until=now + timedelta(hours=2))
    return phase


async def test_the_beginning_of_a_soak_tells_named_people_what_to_look_for(tmp_path: Path):
    """
    The runbook's "zero rollback-worthy issues" is nothing that a machine can count.
    """
    async with paper_release(tmp_path) as (hands, _):
        await soaking(hands)
        told = tuple((await hands.journal.state(RELEASE)).notices.values())

    assert [notice.level for notice in told] == [Level.WARNING, Level.INFO]
    for notice in told:
        assert "Zero rollback-worthy issues (on-call-engineer)" in notice.text
        assert f"phasegate abort {RELEASE}" in notice.text
        assert "05:00:00 UTC" in notice.text
        assert "Client-side errors (via logging)" in notice.text


async def test_a_phase_nobody_could_be_asked_about_is_watched_longer_and_then_held(tmp_path: Path):
    """
    Silence of people who were never told is no news; a channel may come back, in the end a person decides.
    """
    async with paper_release(tmp_path) as (hands, _):
        deaf = replace(hands, channels={})
        phase = await soaking(deaf)
        first = unasked(await deaf.journal.state(RELEASE), phase)
        for _ in range(2):
            await extend(deaf, RELEASE, phase, because="nobody was asked")
        last = unasked(await deaf.journal.state(RELEASE), phase)

    assert first is not None
    assert first.action is Action.EXTEND
    assert "no channel took the message" in first.because[0].text
    assert last is not None
    assert last.action is Action.ASK


async def test_one_channel_that_took_the_message_is_enough(tmp_path: Path):
    """
    The deployment log is read with the release; the channel for warnings is not configured here.
    """
    async with paper_release(tmp_path) as (hands, _):
        phase = await soaking(hands)
        state = await hands.journal.state(RELEASE)

    assert unasked(state, phase) is None
    assert (tmp_path / "deployment.log").read_text().count("please watch Phase 1") == 1
