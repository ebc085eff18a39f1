"""
Runs that wait although their release has ended.

Whoever ends a release from outside (a person who accepts a foreign deployment) wakes its
run once. A run that is just about to suspend itself cannot be woken and would then sleep for ever.
So would the run of a release that another run took back: a person started `rollback` for it.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from phasegate.actions.gates import fallen
from phasegate.actions.outside import Outside
from phasegate.domain.errors import LedgerBusy, RunsAway
from phasegate.ports import RunStatus

log = logging.getLogger("phasegate.keeper")
EVERY = timedelta(seconds=5)
PATIENCE = timedelta(hours=1)
REMEMBERED = timedelta(days=2)
MOST = 50
_WAITS = (RunStatus.ACTIVE, RunStatus.SUSPENDED)


@dataclass
class Sleepers:
    """The ended releases of whose runs one may still wait; looked at until all are over, or for an hour."""

    outside: Outside
    _until: dict[str, datetime] = field(default_factory=dict)
    _recalled: bool = False

    def add(self, release: str) -> None:
        """A release has just ended."""
        self._until[release] = self.outside.clock.now() + PATIENCE

    async def wake(self) -> None:
        """Look at each run once; a keeper that has just started begins with the newest ended releases."""
        if not self._recalled:
            await self._recall()
            self._recalled = True
        for release in tuple(self._until):
            try:
                await self._wake(release)
            except RunsAway as away:
                log.warning("%s has ended, its run cannot be looked at yet: %s", release, away)
                return
            except LedgerBusy:
                raise
            except Exception:
                # One that cannot be read must not keep the others asleep.
                log.exception("%s has ended and cannot be read; its run is left alone", release)
                self._until.pop(release, None)

    async def _recall(self) -> None:
        rows = await self.outside.journal.ledger.releases(active=False)
        now = self.outside.clock.now()
        for row in [row for row in rows if now - row.opened_at < REMEMBERED][:MOST]:
            self.add(row.release)

    async def _wake(self, release: str) -> None:
        state = await self.outside.journal.state(release)
        late, waits = self.outside.clock.now() > self._until[release], False
        for run in () if late else state.runs:
            if await self.outside.runs.status(run) in _WAITS:
                waits = True
                if await self.outside.runs.wake(run, answer=fallen(state)):
                    log.info("%s has ended; its run %s was woken to see that", release, run)
        if not waits:
            self._until.pop(release, None)
            self.outside.journal.forget(release)
