"""When what is due in a phase cannot be done: try again, tell people, and give up at a stated time."""

from datetime import timedelta

from phasegate.actions.advancing import call_off
from phasegate.actions.outside import Outside
from phasegate.actions.telling import tell
from phasegate.domain.criteria import Level
from phasegate.domain.events import Event
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.outage import Stalled
from phasegate.domain.quantities import format_duration
from phasegate.domain.steps import Next, Step

SHORTEST, LONGEST = timedelta(seconds=5), timedelta(minutes=1)


async def stall(outside: Outside, release: str, phase: str, *, because: str) -> Step:
    """
    Note that *phase* cannot go on *because*; the step that follows.

    Another try after a pause that grows from five seconds to a minute. Counted from the
    first try in vain, people are paged after the plan's ``outage.tell_after`` and the
    release is called off after its ``outage.limit``. Raises LedgerBusy.
    """

    def note(state: ReleaseState) -> Event | None:
        over = state.aborting or state.ended is not None
        return None if over or state.stalled_since else Stalled(phase=phase, because=because)

    state = await outside.journal.record(release, note)
    since, now = state.stalled_since, outside.clock.now()
    if since is not None and now - since >= state.plan.outage.limit:
        reason = f"{phase} could not go on for {format_duration(state.plan.outage.limit)}: {because}"
        state = await call_off(outside, release, by="phasegate", reason=reason)
    if state.aborting or since is None:
        return Step(next=Next.ABORT, because=state.why_abort)
    if now - since >= state.plan.outage.tell_after:
        await _page(outside, state, phase, because)
    pause = min(max((now - since) / 10, SHORTEST), LONGEST)
    return Step(next=Next.SOAK, because=f"trying again in a moment: {because}", until=now + pause)


async def _page(outside: Outside, state: ReleaseState, phase: str, because: str) -> None:
    outage, since = state.plan.outage, state.stalled_since
    end = since + outage.limit if since else None
    text = (
        f"{phase} has been tried in vain for {format_duration(outage.tell_after)}: {because}. "
        f"It is tried again until {end:%Y-%m-%d %H:%M:%S} UTC, then the release is called off. "
        "Next: see whether the platform works; nothing needs to be done here when it comes back."
    )
    await tell(
        outside,
        state.release,
        level=Level.CRITICAL,
        subject=f"{state.release} cannot go on",
        text=text,
        once=f"stalled/{phase}/{since}",
    )
