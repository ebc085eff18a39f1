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


async def silence(outside: Outside) -> timedelta | None:
    """How long no keeper has given a sign of life; None when none ever did."""
    beat = await outside.journal.ledger.last_beat()
    return outside.clock.now() - beat if beat else None


async def guard(outside: Outside, release: str, *, unguarded: str) -> None:
    """
    Refuse to send traffic while no keeper lives, unless somebody said why that is all right.

    Raises Refused. *unguarded* is that reason, empty for none; it is kept and paged.
    """
    state = await outside.journal.state(release)
    age = await silence(outside)
    if age is not None and age <= max(6 * state.plan.tick, SILENT):
        return
    if not unguarded:
        raise Refused(
            f"no keeper watches ({_seen(age)}); start `phasegate keeper`, or say in 'unguarded' "
            "why nobody needs to"
        )
    text = f"No keeper watches ({_seen(age)}). It goes on because: {unguarded}"
    subject = f"{release} is unguarded"
    await tell(outside, release, level=Level.CRITICAL, subject=subject, text=text, once="unguarded")


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
