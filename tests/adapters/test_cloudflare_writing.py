"""How one intent is pursued while the platform turns it away."""

from time import monotonic

import pytest

from phasegate.adapters.cloudflare.envelope import NotActed
from phasegate.adapters.cloudflare.writing import Patience, bring_about
from phasegate.domain.errors import TargetAway


async def test_a_write_that_is_turned_away_without_a_pause_is_not_sent_at_the_speed_of_the_network():
    """
    The calls that a take-back needs are those that such a loop uses up.
    """
    sent: list[float] = []

    async def absent() -> None:
        return None

    async def turned_away() -> None:
        sent.append(monotonic())
        raise NotActed("HTTP 429", after=0.0)

    with pytest.raises(TargetAway, match="was not done: HTTP 429"):
        await bring_about(absent, turned_away, patience=Patience(total=1.0), what="the split")

    assert 2 <= len(sent) <= 6
