"""Delivers notices beside the watch: a channel that hangs must not delay a look at production."""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import timedelta

from phasegate.actions.outside import Outside
from phasegate.actions.telling import deliver_to
from phasegate.domain.errors import Away, PhasegateError

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
    _sending: dict[tuple[str, str], asyncio.Task[None]] = field(default_factory=dict)

    def add(self, release: str) -> None:
        """*release* may have something to tell."""
        if release not in self._left:
            self._left.append(release)

    async def begin(self) -> None:
        """
        Begin to deliver what is left, and do not wait for it; what cannot be read is dropped with a word.

        Each release has one sender for each channel, so that none waits for another and order stays.
        """
        try:
            await self._find()
            await asyncio.gather(*(self._one(release) for release in tuple(self._left)))
        except PhasegateError as away:
            log.warning("%s", away)

    async def deliver(self) -> None:
        """Try everything once."""
        await self.begin()
        await self.finish(limit=None)

    async def finish(self, *, limit: float | None) -> None:
        """Wait for what is being sent, for *limit* seconds; what is late is told by the next keeper."""
        if sending := tuple(self._sending.values()):
            _, late = await asyncio.wait(sending, timeout=limit)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _find(self) -> None:
        if self._looked:
            return
        for row in (await self.outside.journal.ledger.releases(active=False))[:NEWEST]:
            self.add(row.release)
        self._looked = True

    async def _one(self, release: str) -> None:
        try:
            state = await self.outside.journal.state(release)
        except Away as away:
            log.warning("%s: %s", release, away)
            return
        except Exception as fault:
            log.error("what is left to be told about %s cannot be read: %s", release, fault)
            self._left.remove(release)
            return
        late = self.outside.clock.now() - state.at > LIMIT
        if state.undelivered and not late:
            for name in dict.fromkeys(name for _, name in state.undelivered):
                self._start(release, name)
            return
        if state.undelivered:
            log.error("%s: %s notices were never delivered", release, len(state.undelivered))
        self._left.remove(release)
        if state.ended is not None:
            self.outside.journal.forget(release)

    def _start(self, release: str, name: str) -> None:
        sender = (release, name)
        if sender in self._sending or self.outside.pauses.lasts(name, self.outside.clock.now()):
            return
        task = asyncio.create_task(self._deliver(release, name))
        self._sending[sender] = task
        task.add_done_callback(lambda _: self._sending.pop(sender, None))

    async def _deliver(self, release: str, name: str) -> None:
        try:
            await deliver_to(self.outside, release, name)
        except PhasegateError as away:
            log.warning("%s: %s", release, away)
        except Exception:
            log.exception("%s: what is left to be told to %r could not be", release, name)
