"""Whether a keeper lives, and what follows for a release when none does."""

from datetime import timedelta

from phasegate.actions.outside import Outside
from phasegate.actions.telling import tell
from phasegate.domain.criteria import Level
from phasegate.domain.errors import Refused
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.quantities import format_duration

# A keeper gives a sign of life every second or two; this many seconds without one is no hiccup.
SILENT = timedelta(seconds=15)
PAGED = timedelta(seconds=60)
# A keeper that is started again, or held up by a busy host, is back by then.
AWAITED = timedelta(minutes=2)


async def silence(outside: Outside) -> timedelta | None:
    """How long no keeper has given a sign of life; None when none ever did."""
    beat = await outside.journal.ledger.last_beat()
    return outside.clock.now() - beat if beat else None


async def guard(outside: Outside, release: str, *, unguarded: str) -> None:
    """
    Refuse to send traffic while no keeper lives, unless somebody said why that is all right.

    A sign of life is waited for, for two minutes: a keeper that is started again does not end a release.
    Raises Refused. *unguarded* is that reason, empty for none; it is kept and paged.
    """
    state = await outside.journal.state(release)
    age = await silence(outside)
    if _lives(age, state):
        return
    if not unguarded:
        await _await_keeper(outside, state)
        return
    text = f"No keeper watches ({_seen(age)}). It goes on because: {unguarded}"
    subject = f"{release} is unguarded"
    await tell(outside, release, level=Level.CRITICAL, subject=subject, text=text, once="unguarded")


def _lives(age: timedelta | None, state: ReleaseState) -> bool:
    return age is not None and age <= max(6 * state.plan.tick, SILENT)


async def _await_keeper(outside: Outside, state: ReleaseState) -> None:
    end = outside.clock.now() + AWAITED
    while not _lives(age := await silence(outside), state):
        if outside.clock.now() >= end:
            raise Refused(
                f"no keeper watches ({_seen(age)}; waited for {format_duration(AWAITED)}); start "
                "`phasegate keeper`, or say in 'unguarded' why nobody needs to"
            )
        if (await page_when_unguarded(outside, state.release)).aborting:
            return
        await outside.clock.sleep(state.plan.tick)


async def page_when_unguarded(outside: Outside, release: str) -> ReleaseState:
    """Page once for each time that every keeper falls silent while *release* is active."""
    state = await outside.journal.state(release)
    age = await silence(outside)
    if state.ended is not None or (age is not None and age <= max(12 * state.plan.tick, PAGED)):
        return state
    beat = await outside.journal.ledger.last_beat()
    text = (
        f"No keeper watches {release} ({_seen(age)}); nothing takes {state.service} back by itself. "
        "Next: start `phasegate keeper` on a host that reaches the ledger and the platform."
    )
    return await tell(
        outside,
        release,
        level=Level.CRITICAL,
        subject=f"{release}: no keeper lives",
        text=text,
        once=f"no-keeper/{beat.isoformat() if beat else 'never'}",
    )


def _seen(age: timedelta | None) -> str:
    if age is None:
        return "none has ever been seen"
    return f"the last sign of life is {format_duration(timedelta(seconds=round(age.total_seconds())))} old"
