"""What a person does who wants a release gone: from any state, and whoever else lives."""

from phasegate.actions.advancing import call_off
from phasegate.actions.outside import Outside
from phasegate.actions.rollback import restore
from phasegate.domain.errors import FixTheInput, Refused
from phasegate.domain.ledger import ReleaseState


async def abort(
    outside: Outside, release: str, *, by: str, reason: str, over_changed_secrets: bool
) -> ReleaseState:
    """
    Call *release* off and bring its known-good version to 100 %.

    Neither a run, a worker nor a keeper is needed. Raises FixTheInput without a name, Refused when
    the release has ended or was promoted, and what `restore` raises.
    """
    if len(by.strip()) < 3:
        raise FixTheInput("--by: name the person who takes the release back (at least 3 characters)")
    state = await outside.journal.state(release)
    if state.ended is not None:
        raise Refused(f"{release} has ended already: {state.ended.summary}")
    state = await call_off(outside, release, by=by, reason=reason)
    if not state.aborting:
        raise Refused(f"{release} was promoted: {state.known_good.label} is known good; release another")
    return await restore(outside, release, force=f"{by}: {reason}" if over_changed_secrets else "")
