"""The keeper's pages: what a person has to decide, and a take-back that does not succeed."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from phasegate.actions.outside import Outside
from phasegate.actions.telling import tell
from phasegate.domain.criteria import Level
from phasegate.domain.errors import CannotRestore, Drift, PhasegateError
from phasegate.domain.ledger import ReleaseState
from phasegate.keeper.standing import how_it_stands, taken_back

PATIENCE = timedelta(seconds=60)


@dataclass
class Paging:
    """Pages about releases; ``since`` is when a take-back was first seen to fail."""

    outside: Outside
    since: dict[str, datetime] = field(default_factory=dict)

    async def person(self, release: str, trouble: PhasegateError) -> None:
        """
        Page *trouble* once for each kind, and once more when it comes in another phase or stops a take-back.

        Its words do not count: they may hold a time that changes at every tick.
        """
        state = await self.outside.journal.state(release)
        await tell(
            self.outside,
            release,
            level=Level.CRITICAL,
            subject=f"{release} needs a person",
            text=str(trouble),
            once=f"person/{type(trouble).__name__}/{_about(state, trouble)}",
        )

    async def overdue(self, release: str, trouble: PhasegateError) -> None:
        """
        A release that is to be taken back and cannot be for a minute is not left to the log.

        A refusal and a foreign split page for themselves, with what a person can do.
        """
        state, now = await self.outside.journal.state(release), self.outside.clock.now()
        if state.breached_at is None or taken_back(state) or isinstance(trouble, Drift | CannotRestore):
            self.forget(release)
            return
        seen = self.since.setdefault(release, now)
        # Whoever watched before has seen a first take-back fail; a later one begins with what is seen now.
        since = state.breached_at if state.restored_at is None else seen
        if now - since < PATIENCE:
            return
        text = (
            f"{trouble}. {how_it_stands(state)}. It is tried again at every tick. "
            f"Next: set {state.known_good.label} by hand."
        )
        await tell(
            self.outside,
            release,
            level=Level.CRITICAL,
            subject=f"{release} is not taken back yet",
            text=text,
            once="overdue" if state.restored_at is None else f"overdue/{state.acted_at}",
        )

    def forget(self, release: str) -> None:
        """Nothing fails any more."""
        self.since.pop(release, None)


def _about(state: ReleaseState, trouble: PhasegateError) -> str:
    if isinstance(trouble, Drift) and state.drift is not None:
        return state.drift.found.id
    return f"{state.phase}/{state.breached_at.isoformat() if state.breached_at else ''}"
