"""What is told reaches each channel by itself: a defect or a wait of one keeps no other from it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from phasegate.actions import telling
from phasegate.actions.outside import Outside
from phasegate.actions.pauses import LONGEST, MOST, Pauses
from phasegate.actions.telling import deliver, tell
from phasegate.adapters.channels import WebhookChannel
from phasegate.domain.criteria import Level
from phasegate.domain.errors import ChannelAway
from phasegate.domain.events import Notice
from phasegate.keeper.outbox import Outbox
from tests.ledger_cases import SERVICE, opened
from tests.loopback import Reply, serve
from tests.release.paper import RELEASE, paper_release
from tests.release.test_care_for_runs import Later

SECOND = timedelta(seconds=1)
OTHER = "spring-rate-api-other"
CHANNELS = dict.fromkeys(Level, ("slack", "pagerduty"))


@dataclass
class Listening:
    """Implements ``Channel``: ``heard`` are subjects in their order; those in ``defects`` cannot be sent."""

    defects: tuple[str, ...] = ()
    heard: list[str] = field(default_factory=list)

    async def send(self, notice: Notice, *, key: str) -> str:
        """Heard, unless this software stumbles over it."""
        if notice.subject in self.defects:
            raise ValueError(f"{notice.subject} cannot be encoded")
        self.heard.append(notice.subject)
        return "heard"


async def told(hands: Outside, *subjects: str, release: str = RELEASE) -> None:
    """So many notices wait in the outbox."""
    for subject in subjects:
        await tell(hands, release, level=Level.CRITICAL, subject=subject, text="words", once=subject)


def reaching(paper: Outside, **channels: Any) -> Outside:
    """The same hands with other channels."""
    found: Mapping[str, Any] = channels
    return replace(paper, channels=found)


async def test_a_notice_that_cannot_be_sent_keeps_no_other_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """
    The page behind it is the one that somebody has to get up for. It is said, and tried again.
    """
    async with paper_release(tmp_path, channels=CHANNELS) as (paper, _):
        slack, pagerduty = Listening(defects=("first",)), Listening()
        hands = reaching(paper, slack=slack, pagerduty=pagerduty)
        await told(hands, "first", "second", "third")

        left = (await deliver(hands, RELEASE)).undelivered

    assert slack.heard == ["second", "third"]
    assert pagerduty.heard == ["first", "second", "third"]
    assert [name for _, name in left] == ["slack"]
    assert "first cannot be encoded" in caplog.text


async def test_a_channels_name_may_have_any_letters(tmp_path: Path):
    """
    Slack's channels are called as people call them; a header knows ASCII only.
    """
    name = "slack:#störungen"
    async with serve(lambda *_: Reply(200, b"ok")) as slack, httpx.AsyncClient(trust_env=False) as client:  # noqa: SIM117
        async with paper_release(tmp_path, channels=dict.fromkeys(Level, (name, "pagerduty"))) as (paper, _):
            pagerduty = Listening()
            channels = {name: WebhookChannel(name, slack.url, client), "pagerduty": pagerduty}
            hands = replace(paper, channels=channels)
            await told(hands, "first", "second")

            left = (await deliver(hands, RELEASE)).undelivered

    keys = [headers["idempotency-key"] for headers, _ in slack.requests]
    assert left == ()
    assert pagerduty.heard == ["first", "second"]
    assert len(set(keys)) == 2
    assert all(key.endswith("/slack:#st%C3%B6rungen") for key in keys)


@dataclass
class Away:
    """Implements ``Channel``: away, until ``back``; ``tries`` are the times at which it was tried."""

    clock: Later
    after: timedelta | None = None
    back: bool = False
    tries: list[datetime] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    async def send(self, notice: Notice, *, key: str) -> str:
        """Away, or heard."""
        self.tries.append(self.clock.now())
        if not self.back:
            raise ChannelAway("slack answered 429", after=self.after)
        self.heard.append(notice.subject)
        return "heard"


@dataclass
class Hanging:
    """Implements ``Channel``: takes everything and never answers."""

    tries: int = 0

    async def send(self, notice: Notice, *, key: str) -> str:
        """No answer."""
        self.tries += 1
        await asyncio.Event().wait()
        return "never"


async def test_a_channel_that_hangs_delays_no_page_on_another_of_any_release(tmp_path: Path):
    """
    Whoever has to get up is told now, not when six timeouts of a chat are over.
    """
    async with paper_release(tmp_path, channels=CHANNELS) as (paper, clock):
        slack, pagerduty = Hanging(), Listening()
        hands = reaching(paper, slack=slack, pagerduty=pagerduty)
        plan = (await hands.journal.state(RELEASE)).plan.model_dump(mode="json")
        await hands.journal.open(OTHER, opened(plan=plan, service=f"{SERVICE}-2"))
        outbox = Outbox(hands)
        for release in (RELEASE, OTHER):
            outbox.add(release)
            await told(hands, *"abcdef", release=release)
        heard = []
        for late in ("", "late"):
            await told(hands, *([late] if late else []), release=RELEASE)
            await told(hands, *([late] if late else []), release=OTHER)
            await outbox.begin()
            await settled(hands, outbox)
            heard.append(len(pagerduty.heard))
            clock.now_is += SECOND
        tries = slack.tries
        await outbox.finish(limit=0)

    assert heard == [12, 14]
    assert tries == 2


async def settled(hands: Outside, outbox: Outbox) -> None:
    """Until the pager has everything."""
    async with asyncio.timeout(20):
        while any(name == "pagerduty" for _, name in outbox._sending):  # noqa: ASYNC110 - tasks end
            await asyncio.sleep(0.01)


async def test_a_channel_that_never_ends_its_answer_is_given_up_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    A limit for each part of an answer is none for one that trickles.
    """
    monkeypatch.setattr(telling, "LIMIT", 0.05)
    async with paper_release(tmp_path, channels=CHANNELS) as (paper, _):
        hands = reaching(paper, slack=Hanging(), pagerduty=Listening())
        await told(hands, "first", "second")

        left = (await deliver(hands, RELEASE)).undelivered

    assert [name for _, name in left] == ["slack", "slack"]


async def test_a_channel_that_is_away_is_tried_ever_more_rarely_and_hears_everything_in_order(tmp_path: Path):
    """
    Who answers 429 each second gets no better for being asked each second.
    """
    async with paper_release(tmp_path, channels=CHANNELS) as (paper, clock):
        slack = Away(clock)
        hands = reaching(paper, slack=slack, pagerduty=Listening())
        await told(hands, "first", "second", "third")
        outbox = Outbox(hands)
        outbox.add(RELEASE)
        for second in range(600):
            slack.back = second == 599 or slack.back
            await outbox.deliver()
            clock.now_is += SECOND
        clock.now_is += MOST
        await outbox.deliver()
        left = (await hands.journal.state(RELEASE)).undelivered

    waits = [(late - early) / SECOND for early, late in pairwise(slack.tries[:8])]
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    assert slack.heard == ["first", "second", "third"]
    assert left == ()


async def test_a_channel_is_left_alone_for_as_long_as_it_asks(tmp_path: Path):
    """
    The time is the channel's own word; a page does not wait for longer than five minutes all the same.
    """
    waits = []
    async with paper_release(tmp_path, channels=CHANNELS) as (paper, clock):
        for asked in (90 * SECOND, timedelta(days=1)):
            slack = Away(clock, after=asked)
            hands = replace(reaching(paper, slack=slack, pagerduty=Listening()), pauses=Pauses())
            await told(hands, f"asks for {asked}")
            for _ in range(400):
                await deliver(hands, RELEASE)
                clock.now_is += SECOND
            waits.append((slack.tries[1] - slack.tries[0]) / SECOND)

    assert waits == [90, LONGEST / SECOND]
