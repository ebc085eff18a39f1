"""Whether the observed share of the traffic follows the configured weight."""

from phasegate.actions.outside import Outside
from phasegate.actions.telling import tell
from phasegate.domain.criteria import Level
from phasegate.domain.events import Event, ShareSeen
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.observation import Minute
from phasegate.domain.plan import Phase
from phasegate.domain.quantities import format_duration

NEWEST = 5


def observed_share(minutes: tuple[Minute, ...], version: str) -> tuple[float | None, int]:
    """The percentage of requests that *version* served, and of how many; None without any."""
    total = sum(count.total for minute in minutes for count in minute.counts)
    served = sum(minute.total(version) for minute in minutes)
    return (100 * served / total if total else None), total


def follows(observed: float | None, weight: float, *, total: int, within: float) -> bool:
    """
    Whether an observed share (percent) is the configured one, to *within* points.

    Small samples are given three standard errors more; no requests prove nothing.
    """
    if observed is None:
        return False
    share = min(max(weight / 100, 1 / total), 1 - 1 / total) if total > 1 else 0.5
    noise = 300 * float(share * (1 - share) / total) ** 0.5
    return bool(abs(observed - weight) <= within + noise)


async def note_share(outside: Outside, release: str, phase: Phase) -> ReleaseState:
    """
    Compare the newest stored intervals of *phase* with its weight.

    Noted once it follows; when it does not within the plan's limit, people are
    told, because the platform serves something else than it says.
    """
    state = await outside.journal.state(release)
    soak = state.soaks.get(phase.name)
    if soak is None or state.canary is None or phase.name in state.followed or state.aborting:
        return state
    minutes = await outside.journal.ledger.minutes(release, state.service, after=soak.since)
    share, total = observed_share(minutes[-NEWEST:], state.canary.id)
    telemetry = state.plan.telemetry
    if follows(share, phase.weight, total=total, within=telemetry.share_within):
        return await _followed(outside, release, phase, share)
    if outside.clock.now() - soak.since > telemetry.share_limit + telemetry.settle:
        return await _lags(outside, state, phase, share)
    return state


async def _followed(outside: Outside, release: str, phase: Phase, share: float | None) -> ReleaseState:
    seen = ShareSeen(phase=phase.name, observed=share, weight=phase.weight, followed=True)

    def once(state: ReleaseState) -> Event | None:
        return None if phase.name in state.followed else seen

    return await outside.journal.record(release, once)


async def _lags(outside: Outside, state: ReleaseState, phase: Phase, share: float | None) -> ReleaseState:
    seen = "no requests" if share is None else f"{share:.1f} %"
    text = (
        f"{phase.title}: {phase.weight:g} % is configured, {seen} is observed after "
        f"{format_duration(state.plan.telemetry.share_limit)}. The phase is not passed while this lasts. "
        "Next: look at the platform's own view of the split."
    )
    subject = f"{state.release}: traffic does not follow the split"
    return await tell(
        outside, state.release, level=Level.WARNING, subject=subject, text=text, once=f"share-{phase.name}"
    )
