"""When the candidate may be given more traffic."""

from datetime import datetime

from phasegate.domain.errors import Refused, Superseded
from phasegate.domain.ledger import ReleaseState

# Instead of a phase's name: a foreign split is replaced by the expected one.
ANY = "*"


def raisable(state: ReleaseState, phase: str, *, now: datetime) -> None:
    """
    Refuse to give the candidate the traffic of *phase* unless the release is in it.

    Raises Refused for one that is taken back or over, Superseded for one frozen or in another phase.
    """
    present(state, phase)
    if phase != ANY and (freeze := state.frozen(now)):
        raise Superseded(f"{state.release} is frozen until {freeze[0]:%Y-%m-%d %H:%M %Z}: {freeze[1]}")


def present(state: ReleaseState, phase: str) -> None:
    """Raises Refused when the release is taken back or over, Superseded when it is in another phase."""
    if state.aborting:
        raise Refused(f"{state.release} is being taken back ({state.why_abort}); its traffic is not raised")
    if state.ended is not None:
        raise Refused(f"{state.release} has ended ({state.ended.outcome})")
    if phase != ANY and (state.current is None or state.current.name != phase):
        raise Superseded(f"{state.release} is not in phase {phase!r} any more: another driver went on")
