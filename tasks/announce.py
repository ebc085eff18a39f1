"""Tell people: into the outbox, then to each channel."""

from phasegate.actions.telling import deliver, tell
from phasegate.domain.criteria import Level
from phasegate.wiring import shared
from tasks.step import step


@step()
async def announce(release: str, *, level: str, subject: str, text: str, once: str) -> int:
    """Store a notice and try to deliver it; returns how many deliveries are left to the keeper."""
    outside = await shared()
    await tell(outside, release, level=Level(level), subject=subject, text=text, once=once)
    state = await deliver(outside, release)
    return len(state.undelivered)
