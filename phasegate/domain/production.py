"""What a reading of the live split means beside what the ledger knows."""

from datetime import datetime, timedelta
from enum import StrEnum

from phasegate.domain.ledger import ReleaseState
from phasegate.domain.versions import LiveSplit

LAG = timedelta(seconds=60)


class Seen(StrEnum):
    """
    Whose deployment is live.

    ``late``: a write of this release that was given up and took effect afterwards.
    ``behind``: an older deployment, shown by a place that has not heard of the last change.
    """

    EXPECTED = "expected"
    BEHIND = "behind"
    LATE = "late"
    FOREIGN = "foreign"


def compare(state: ReleaseState, live: LiveSplit, *, now: datetime) -> Seen:
    """
    What *live* is to the release; the traffic counts first, then whose deployment it is.

    A deployment of the platform has an id of its own and is never made twice: an id known
    from before, or one older than what was read already, comes from a place that lags, and
    is not the effect of a write that is pending. It lags only for a while after a change;
    later an old deployment is as foreign as a new one.
    """
    if live.split.same_traffic(state.live.split):
        return Seen.EXPECTED
    if is_old(state, live):
        lagging = state.acted_at is not None and now - state.acted_at <= LAG
        return Seen.BEHIND if lagging else Seen.FOREIGN
    if state.pending is not None and live.split.same_traffic(state.pending.split):
        return Seen.EXPECTED
    return Seen.LATE if live.message.startswith(mark(state)) else Seen.FOREIGN


def mark(state: ReleaseState) -> str:
    """What the message of every deployment that this release makes begins with."""
    return f"phasegate {state.release}: "


def still_ours(state: ReleaseState, live: LiveSplit) -> bool:
    """Whether *live* sends traffic to the candidate."""
    return state.canary is not None and live.split.weight(state.canary.id) > 0


def is_old(state: ReleaseState, live: LiveSplit) -> bool:
    """Whether *live* is a deployment from before the last one that the release knows."""
    if live.id in state.known:
        return live.id != state.live.id
    made, known = live.created_at, state.live.created_at
    return made is not None and known is not None and made < known
