"""The resident loop: one process watches every active release."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from phasegate.actions.outside import Outside
from phasegate.domain.errors import PhasegateError
from phasegate.keeper.outbox import EVERY, Outbox
from phasegate.keeper.unreadable import page_unreadable
from phasegate.keeper.watch import Watch
from phasegate.ports import Row

log = logging.getLogger("phasegate.keeper")
IDLE = timedelta(seconds=2)
OUTBOX = ""
SHORTEST = timedelta(milliseconds=50)
AT_ONCE = 50
PARTING = 20.0
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass
class Keeper:
    """
    Watches all active releases, each at its plan's tick.

    ``idle`` is how often the ledger is asked for releases. A look at one release
    never delays another's: they run side by side, at most fifty at once.
    """

    outside: Outside
    name: str
    idle: timedelta = IDLE
    watch: Watch = field(init=False)
    outbox: Outbox = field(init=False)
    _due: dict[str, datetime] = field(default_factory=dict)
    _due_outbox: datetime = LONG_AGO
    _looks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def __post_init__(self) -> None:
        self.watch = Watch(self.outside)
        self.outbox = Outbox(self.outside)

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until *stop* is set; the ledger being away is waited out."""
        log.info("keeper %s watches", self.name)
        try:
            while not stop.is_set():
                pause = await self._begin_safely()
                try:
                    await asyncio.wait_for(stop.wait(), timeout=pause.total_seconds())
                except TimeoutError:
                    continue
        finally:
            await self._finish(limit=PARTING)
            await self.watch.finish()

    async def tick(self) -> None:
        """Look once at every active release, and wait until all have been looked at."""
        await self._begin()
        await self._finish(limit=None)
        await self.watch.finish()
        await self.outbox.deliver()

    async def _begin_safely(self) -> timedelta:
        try:
            return await self._begin()
        except PhasegateError as trouble:
            log.warning("%s", trouble)
        except Exception:
            # Whatever it is: a keeper that has ended protects nobody.
            log.exception("a tick failed; the next one follows")
        return self.idle

    async def _begin(self) -> timedelta:
        """Begin to look at every release that is due; returns how long nothing will be due."""
        now = self.outside.clock.now()
        await self.outside.journal.ledger.beat(self.name, at=now)
        rows = await self.outside.journal.ledger.releases(active=True)
        self._drop_ended({row.release for row in rows})
        for row in rows:
            if row.release not in self._looks and self._due.get(row.release, now) <= now:
                self._start(row.release, self._look(row))
        if OUTBOX not in self._looks and self._due_outbox <= now:
            self._due_outbox = now + EVERY
            self._start(OUTBOX, self.outbox.deliver())
        times = [self._due[row.release] for row in rows if row.release in self._due]
        wait = min(times, default=now + self.idle) - self.outside.clock.now()
        return max(SHORTEST, min(wait, self.idle))

    def _start(self, release: str, look: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(look)
        self._looks[release] = task
        task.add_done_callback(lambda _: self._looks.pop(release, None))

    async def _finish(self, *, limit: float | None) -> None:
        looks = tuple(self._looks.values())
        if not looks:
            return
        _, late = await asyncio.wait(looks, timeout=limit)
        for look in late:
            look.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _look(self, row: Row) -> None:
        async with self._gate:
            began = self.outside.clock.now()
            # Overdue looks of a slow release must not make the loop spin.
            self._due[row.release] = began + self.idle
            try:
                await self.watch.look_at(row.release)
                state = await self.outside.journal.state(row.release)
                self._due[row.release] = began + state.plan.tick
            except PhasegateError as trouble:
                self.watch.troubles[row.release] = str(trouble)
            except Exception:
                # One release that cannot be looked at must not leave the others unwatched.
                log.exception("looking at %s failed; it is tried again", row.release)
                await page_unreadable(self.outside, row.release)
            self.outbox.add(row.release)
            if row.release in self.watch.troubles:
                log.warning("%s: %s", row.release, self.watch.troubles[row.release])

    def _drop_ended(self, active: set[str]) -> None:
        for release in [release for release in self._due if release not in active]:
            if release in self._looks:
                continue
            del self._due[release]
            self.watch.forget(release)
            self.outbox.add(release)
