"""Whether a keeper watches, and what follows for a release when none does."""

from contextlib import suppress
from datetime import timedelta

from phasegate.actions.outside import Outside
from phasegate.actions.telling import tell
from phasegate.domain.criteria import Level
from phasegate.domain.errors import Refused, Superseded
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.quantities import format_duration

# A keeper gives a sign of life every second or two; this many seconds without one is no hiccup.
SILENT = timedelta(seconds=15)
PAGED = timedelta(seconds=60)
# A keeper that is started again, or held up by a busy host, is back by then.
AWAITED = timedelta(minutes=2)
# A keeper that cannot look at a release says so for this long, again and again.
BLIND = timedelta(minutes=1)


async def silence(outside: Outside) -> timedelta | None:
    """How long no keeper has given a sign of life; None when none ever did."""
    beat = await outside.journal.ledger.last_beat()
    return outside.clock.now() - beat if beat else None


async def note_blind(outside: Outside, release: str) -> None:
    """
    Say for a minute that a keeper cannot look at *release*, though it lives.

    It is a lease, because it can be written and read when the release's rows cannot.
    """
    ledger, now = outside.journal.ledger, outside.clock.now()
    if await _blind(outside, release, longer_than=BLIND / 2):
        return
    with suppress(Superseded):
        await ledger.take(_mark(release), holder=outside.journal.driver, ttl=BLIND, now=now)


async def _blind(outside: Outside, release: str, *, longer_than: timedelta = timedelta(0)) -> bool:
    said, now = await outside.journal.ledger.lease(_mark(release)), outside.clock.now()
    # From further ahead than it lasts: the clock was put back.
    return said is not None and longer_than < said.expires_at - now <= BLIND


def _mark(release: str) -> str:
    return f"blind/{release}"


async def guard(outside: Outside, release: str, *, unguarded: str) -> None:
    """
    Refuse to send traffic while no keeper watches, unless somebody said why that is all right.

    It must live, and be able to look at this release. That is waited for, for two minutes: a keeper
    that is started again does not end a release. Raises Refused. *unguarded* is that reason, empty
    for none; it is kept and paged.
    """
    state = await outside.journal.state(release)
    age = await silence(outside)
    if await _watches(outside, state, age):
        return
    if not unguarded:
        await _await_keeper(outside, state)
        return
    text = f"No keeper watches ({_seen(age)}). It goes on because: {unguarded}"
    subject = f"{release} is unguarded"
    await tell(outside, release, level=Level.CRITICAL, subject=subject, text=text, once="unguarded")


async def _watches(outside: Outside, state: ReleaseState, age: timedelta | None) -> bool:
    lives = age is not None and age <= max(6 * state.plan.tick, SILENT)
    return lives and not await _blind(outside, state.release)


async def _await_keeper(outside: Outside, state: ReleaseState) -> None:
    end = outside.clock.now() + AWAITED
    while not await _watches(outside, state, age := await silence(outside)):
        if outside.clock.now() >= end:
            blind = await _blind(outside, state.release)
            todo = "read its log: its looks at this release fail" if blind else "start `phasegate keeper`"
            raise Refused(
                f"no keeper watches ({_seen(age)}; waited for {format_duration(AWAITED)}); {todo}, "
                "or say in 'unguarded' why nobody needs to"
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
