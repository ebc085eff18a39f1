"""What is told reaches each channel by itself: a defect or a wait of one keeps no other from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from phasegate.actions.outside import Outside
from phasegate.actions.telling import deliver, tell
from phasegate.adapters.channels import WebhookChannel
from phasegate.domain.criteria import Level
from phasegate.domain.events import Notice
from tests.loopback import Reply, serve
from tests.release.paper import RELEASE, paper_release

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
