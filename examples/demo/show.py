"""One release of the demo: started over the API, shown until it ends."""

import asyncio
import time
import uuid
from datetime import datetime, timedelta

from examples.demo.people import People
from examples.demo.screen import Screen
from examples.demo.stage import SERVICE, Stage
from phasegate.actions.outside import Outside
from phasegate.adapters.prefect_runs import PrefectRuns
from phasegate.domain.events import Recorded
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.observation import Minute
from phasegate.report.ledger_text import tags_of

LIMIT = 170.0
KEEP_LIMIT = 4 * 3600.0


class TooLong(Exception):
    """A release did not end within the demo's limit."""


class Show:
    """Starts releases and shows them; *keep* leaves the gates to a person at the UI."""

    def __init__(self, hands: Outside, runs: PrefectRuns, screen: Screen, *, plan: str, keep: bool) -> None:
        self._hands = hands
        self._runs = runs
        self._screen = screen
        self._plan = plan
        self._keep = keep
        self._people = People(runs)
        self._minutes: list[Minute] = []
        self._known: datetime | None = None

    async def release(self, stage: Stage, version: str, *, reason: str) -> ReleaseState:
        """Release one bundle and return how it ended; TooLong when it does not."""
        run = await self._runs.start(
            {
                "service": SERVICE,
                "plan": self._plan,
                "bundle": str(stage.bundles[version]),
                "reason": reason,
                "requested_by": "Linus (demo)",
            },
            idempotency_key=uuid.uuid4().hex,
        )
        name = f"{SERVICE}-{run[:8]}"
        self._screen.say(f"release {name} of {version}: {self._runs.run_url(run)}")
        self._minutes, self._known = [], None
        return await self._follow(name)

    async def _follow(self, name: str) -> ReleaseState:
        deadline = time.monotonic() + (KEEP_LIMIT if self._keep else LIMIT)
        seen = 0
        while time.monotonic() < deadline:
            rows = await self._hands.journal.ledger.events(name, after=seen)
            seen += len(rows)
            if seen:
                state = await self._look(name, rows)
                if state.ended is not None:
                    return state
            await asyncio.sleep(0.5)
        raise TooLong(f"{name} has not ended; the logs say why")

    async def _look(self, name: str, rows: tuple[Recorded, ...]) -> ReleaseState:
        state = await self._hands.journal.state(name)
        self._screen.events(rows, tags_of(state))
        new = await self._hands.journal.ledger.minutes(name, SERVICE, after=self._known)
        self._minutes += new
        self._known = new[-1].start if new else self._known
        self._screen.progress(state, tuple(self._minutes))
        if state.question is not None and not self._keep:
            answered = await self._people.look(state)
            if answered:
                self._screen.say(f"  {answered}")
        return state

    async def failed_requests(self, state: ReleaseState) -> tuple[int, int, timedelta | None]:
        """How many requests the candidate served and failed, and how long after the breach it was back."""
        minutes = await self._hands.journal.ledger.minutes(state.release, SERVICE)
        canary = state.canary.id if state.canary else ""
        back = None
        if state.restored_at and state.breached_at:
            back = state.restored_at - state.breached_at
        served = sum(minute.total(canary) for minute in minutes)
        return served, sum(minute.errors(canary) for minute in minutes), back
