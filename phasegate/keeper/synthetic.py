"""Synthetic requests beside the watch: a service that answers slowly, or not at all, delays no look."""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from phasegate.actions.collecting import floor
from phasegate.actions.marking import compare_own
from phasegate.actions.outside import Outside
from phasegate.actions.synthesizing import send_interval
from phasegate.domain.errors import PhasegateError
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Phase
from phasegate.domain.synthetic import synthetic_in

log = logging.getLogger("phasegate.keeper")


@dataclass
class Sender:
    """Sends for each release what is due in its next interval, in a task of its own."""

    outside: Outside
    planned: dict[str, datetime] = field(default_factory=dict)
    tasks: dict[str, set[asyncio.Task[None]]] = field(default_factory=dict)

    def begin(self, state: ReleaseState, phase: Phase) -> None:
        """Plan the interval that comes next, once; nothing where the plan sends nothing."""
        if synthetic_in(state.plan, phase) is None:
            return
        interval = state.plan.interval
        start = floor(self.outside.clock.now(), interval) + interval
        if self.planned.get(state.release) == start:
            return
        self.planned[state.release] = start
        tasks = self.tasks.setdefault(state.release, set())
        task = asyncio.create_task(self._send(state.release, phase, start))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _send(self, release: str, phase: Phase, start: datetime) -> None:
        try:
            await self.outside.clock.sleep(max(start - self.outside.clock.now(), timedelta(0)))
            state = await self.outside.journal.known(release)
            if state.aborting or state.ended is not None or state.phase != phase.name:
                return
            await send_interval(self.outside, state, phase, start=start)
            await compare_own(self.outside, state, phase)
        except PhasegateError as trouble:
            log.warning("%s: synthetic requests were not sent: %s", release, trouble)
        except Exception:
            # What is broken here must not stay unseen, and must not end the watch.
            log.exception("%s: synthetic requests could not be sent", release)

    def forget(self, release: str) -> None:
        """Send nothing more for a release that has ended."""
        self.planned.pop(release, None)
        for task in self.tasks.pop(release, set()):
            task.cancel()

    async def finish(self) -> None:
        """End what is being sent; what was asked already and not counted is lost."""
        running = [task for tasks in self.tasks.values() for task in tasks]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
