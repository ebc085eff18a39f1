"""One release per service at a time: how the next one comes by its turn."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from phasegate.actions.advancing import call_off
from phasegate.actions.outside import Outside
from phasegate.actions.rollback import restore
from phasegate.actions.telling import tell
from phasegate.domain.criteria import Level
from phasegate.domain.errors import Away, FixTheInput, Refused, Superseded
from phasegate.domain.events import Event, Noted
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.quantities import format_duration, parse_duration

LOOK = timedelta(seconds=1)
# Beside the recovery that the plan of the other one allows: a keeper, and a run that has to start.
ENDING = timedelta(minutes=15)
LONGEST = timedelta(days=2)


@dataclass(frozen=True)
class Turn:
    """
    What a release does when another one has its service; neither of both means it is refused.

    *supersede* is why the other one is taken back; *queue* is how long its end is waited for.
    """

    supersede: str = ""
    queue: timedelta | None = None


def read_turn(*, supersede: str, queue: str) -> Turn:
    """A turn as people write it; *queue* is a duration such as ``2h``. Raises FixTheInput."""
    if supersede and queue:
        raise FixTheInput("give either supersede or queue: one takes the active release back, one waits")
    if supersede and len(supersede.strip()) < 3:
        raise FixTheInput("supersede: say in at least 3 characters why the active release is taken back")
    try:
        limit = parse_duration(queue) if queue else None
    except ValueError as error:
        raise FixTheInput(f"queue: {error}") from None
    if limit is not None and not timedelta(0) < limit <= LONGEST:
        raise FixTheInput(f"queue: {queue} is outside of what is allowed, above 0 and at most 48h")
    return Turn(supersede=supersede, queue=limit)


async def take_turn(
    outside: Outside, release: str, *, service: str, turn: Turn, by: str, since: datetime
) -> str:
    """
    Return when no other release has *service*; which one had it, empty when none did.

    The other one is taken back by name, or waited for; both are written down in it. The wait
    began at *since*. Raises Refused when it is over and the other one is not; then nothing
    was opened.
    """
    before = ""
    while other := await _active(outside, release, service):
        if not turn.supersede and turn.queue is None:
            return before
        if other != before:
            state = await _announce(outside, other, release, turn, by=by)
        limit = turn.queue or state.plan.recovery.limit + ENDING
        if outside.clock.now() - since >= limit:
            raise Refused(
                f"{release} waited {format_duration(limit)} for its turn, and {service!r} is still being "
                f"released by {other!r}; nothing was begun. Look at that one, then start again"
            )
        before = other
        await outside.clock.sleep(LOOK)
    return before


async def _active(outside: Outside, release: str, service: str) -> str:
    rows = await outside.journal.ledger.releases(active=True, service=service)
    return next((row.release for row in rows if row.release != release), "")


async def _announce(outside: Outside, other: str, release: str, turn: Turn, *, by: str) -> ReleaseState:
    if not turn.supersede:
        text = f"{release}, asked for by {by}, waits for its turn"

        def waits(state: ReleaseState) -> Event | None:
            return None if state.ended is not None else Noted(text=text)

        return await outside.journal.record(other, waits)
    reason = f"superseded by {release}: {turn.supersede}"
    state = await call_off(outside, other, by=by, reason=reason)
    if state.aborting and state.ended is None:
        # The keeper does the same at its next tick; who cannot do it here leaves it to that one.
        with suppress(Away, Superseded):
            state = await restore(outside, other)
    return state


async def tell_turn(outside: Outside, state: ReleaseState, turn: Turn, *, before: str) -> ReleaseState:
    """Write down in the new release whose turn it was before, and why that one was taken back."""
    by = state.opened.requested_by
    if turn.supersede:
        level, subject = Level.WARNING, f"{state.release} supersedes {before}"
        text = f"{by} had {before} taken back for this release: {turn.supersede}"
    else:
        level, subject = Level.INFO, f"{state.release} has its turn"
        text = f"It waited until {before} had ended, as {by} asked."
    return await tell(outside, state.release, level=level, subject=subject, text=text, once="turn")
