"""The resident loop: one process watches every active release."""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from phasegate.actions.outside import Outside
from phasegate.domain.errors import PhasegateError
from phasegate.domain.plan import RolloutPlan
from phasegate.keeper.watch import Watch
from phasegate.ports import Row

log = logging.getLogger("phasegate.keeper")
IDLE = timedelta(seconds=2)
AT_ONCE = 50


@dataclass
class Keeper:
    """
    Watches all active releases, each at its plan's tick.

    ``idle`` is how often the ledger is asked for releases. A tick of one release
    never delays another's: they run side by side, at most fifty at once.
    """

    outside: Outside
    name: str
    idle: timedelta = IDLE
    watch: Watch = field(init=False)
    _due: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.watch = Watch(self.outside)

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until *stop* is set; the ledger being away is waited out."""
        log.info("keeper %s watches", self.name)
        while not stop.is_set():
            pause = self.idle
            try:
                pause = await self.tick()
            except PhasegateError as trouble:
                log.warning("%s", trouble)
            try:
                await asyncio.wait_for(stop.wait(), timeout=pause.total_seconds())
            except TimeoutError:
                continue

    async def tick(self) -> timedelta:
        """Look at every release that is due; returns how long nothing will be due."""
        now = self.outside.clock.now()
        await self.outside.journal.ledger.beat(self.name, at=now)
        rows = await self.outside.journal.ledger.releases(active=True)
        self._drop_ended({row.release for row in rows})
        gate = asyncio.Semaphore(AT_ONCE)
        due = [row for row in rows if self._due.get(row.release, now) <= now]
        await asyncio.gather(*(self._look(row, gate) for row in due))
        times = [self._due[row.release] for row in rows if row.release in self._due]
        wait = min(times, default=now + self.idle) - self.outside.clock.now()
        return max(timedelta(milliseconds=50), min(wait, self.idle))

    async def _look(self, row: Row, gate: asyncio.Semaphore) -> None:
        async with gate:
            began = self.outside.clock.now()
            try:
                await self.watch.look_at(row.release)
            except PhasegateError as trouble:
                self.watch.troubles[row.release] = str(trouble)
            except Exception:
                # One release that cannot be looked at must not leave the others unwatched.
                log.exception("looking at %s failed; it is tried again at the next tick", row.release)
            if row.release in self.watch.troubles:
                log.warning("%s: %s", row.release, self.watch.troubles[row.release])
            self._due[row.release] = began + await self._interval(row.release)

    async def _interval(self, release: str) -> timedelta:
        plan: RolloutPlan = (await self.outside.journal.state(release)).plan
        return plan.tick

    def _drop_ended(self, active: set[str]) -> None:
        for release in [release for release in self._due if release not in active]:
            del self._due[release]
            self.watch.forget(release)
