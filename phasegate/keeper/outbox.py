"""Delivers notices beside the watch: a channel that hangs must not delay a look at production."""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import timedelta

from phasegate.actions.outside import Outside
from phasegate.actions.telling import deliver
from phasegate.domain.errors import PhasegateError

log = logging.getLogger("phasegate.keeper")
NEWEST = 20
LIMIT = timedelta(hours=24)
EVERY = timedelta(seconds=1)


@dataclass
class Outbox:
    """
    Delivers what active releases have to tell, and what ended ones left behind for a day.

    A fresh one looks at the newest ended releases in the ledger, so that a keeper that
    was started later tells people too.
    """

    outside: Outside
    _left: list[str] = field(default_factory=list)
    _looked: bool = False

    def add(self, release: str) -> None:
        """*release* may have something to tell."""
        if release not in self._left:
            self._left.append(release)

    async def deliver(self) -> None:
        """Try everything once; what cannot be read is dropped with a word in the log."""
        try:
            await self._find()
            await asyncio.gather(*(self._one(release) for release in tuple(self._left)))
        except PhasegateError as away:
            log.warning("%s", away)

    async def _find(self) -> None:
        if self._looked:
            return
        for row in (await self.outside.journal.ledger.releases(active=False))[:NEWEST]:
            self.add(row.release)
        self._looked = True

    async def _one(self, release: str) -> None:
        try:
            state = await deliver(self.outside, release)
        except PhasegateError as away:
            log.warning("%s: %s", release, away)
            return
        except Exception:
            log.exception("what is left to be told about %s cannot be read", release)
            self._left.remove(release)
            return
        late = self.outside.clock.now() - state.at > LIMIT
        if state.undelivered and not late:
            return
        if state.undelivered:
            log.error("%s: %s notices were never delivered", release, len(state.undelivered))
        self._left.remove(release)
        if state.ended is not None:
            self.outside.journal.forget(release)
