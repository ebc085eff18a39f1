"""Whether a database may be taken back now: who has the traffic, who else is at work, what came later."""

from collections.abc import Sequence

from phasegate.actions.outside import Outside
from phasegate.domain.database import DatabaseState, Way
from phasegate.domain.errors import Refused
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Environment


async def returnable(
    outside: Outside, release: str, *, environment: Environment, way: Way
) -> tuple[ReleaseState, DatabaseState]:
    """
    The release and its database of *environment*, when that may be taken back this *way*.

    Raises Refused when there is nothing to take back, while the release goes on or another is at work
    on the service, and for production unless the version from before the release has all traffic: any
    other may use what the release brought.
    """
    state = await outside.journal.state(release)
    known = state.databases.get(environment)
    if way is Way.UNDO and (known is None or known.returned is None):
        raise Refused(
            f"{release}: its {environment} database was not taken back, so there is nothing to undo"
        )
    if known is None or (way is not Way.UNDO and not known.changed):
        raise Refused(f"{release} has changed no {environment} database that could be taken back")
    if not (state.aborting or state.ended):
        raise Refused(
            f"{release} goes on; traffic goes to the old version first: phasegate abort {release} --reason …"
        )
    await _nobody_else(outside, state)
    if environment is Environment.PRODUCTION:
        await _old_version_serves(outside, state)
    return state, known


def nothing_later(known: DatabaseState, applied: Sequence[str]) -> None:
    """Raises Refused when migrations that are not the release's were *applied* after its first one."""
    ours = [at for at, name in enumerate(applied) if name in known.names]
    later = [name for name in applied[ours[0] :] if name not in known.names] if ours else []
    if later:
        raise Refused(
            f"{', '.join(later)} came after the migrations of this release and may need them; "
            "take back what came later first"
        )


async def _nobody_else(outside: Outside, state: ReleaseState) -> None:
    active = await outside.journal.ledger.releases(active=True, service=state.service)
    if others := [row.release for row in active if row.release != state.release]:
        raise Refused(
            f"{others[0]} is at work on {state.service} and may count on this database; "
            "let it end, or abort it first"
        )


async def _old_version_serves(outside: Outside, state: ReleaseState) -> None:
    # Not the known good of now: after a promotion that is the candidate itself.
    old = state.opened.known_good
    live = await outside.target.live(state.service)
    if live is None or live.split.weight(old.id) != 100:
        shares = live.split.shares if live else ()
        found = " and ".join(f"{share.version} with {share.weight:g} %" for share in shares) or "nothing"
        raise Refused(
            f"{state.service} serves {found}, not {old.label} ({old.id}) alone; traffic goes to the old "
            "version first, because another may use what the release brought"
        )
