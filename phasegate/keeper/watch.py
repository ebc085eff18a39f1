"""
One look at one active release: what the keeper does each tick.

It needs the ledger, the target and the metrics only. The orchestrator may be dead:
a harmful version is taken back here, at once; telling people and verifying follow.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from phasegate.actions.advancing import look
from phasegate.actions.gates import close_question
from phasegate.actions.judging import Judging
from phasegate.actions.outside import Outside
from phasegate.actions.rollback import restore
from phasegate.actions.sharing import note_share
from phasegate.actions.telling import deliver, tell
from phasegate.domain.criteria import Level
from phasegate.domain.errors import Away, CallAPerson, RunsAway
from phasegate.domain.events import Breached, Event, Judged
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Environment
from phasegate.domain.verdict import Finding, Verdict
from phasegate.keeper.care import care_for_run
from phasegate.keeper.show import show

CARE = timedelta(seconds=3)
SHOW = timedelta(seconds=30)


@dataclass
class Watch:
    """The keeper's hands and memory: ``troubles`` are the last words about what did not work."""

    outside: Outside
    judging: Judging = field(default_factory=Judging)
    troubles: dict[str, str] = field(default_factory=dict)
    cared: dict[str, datetime] = field(default_factory=dict)
    shown: dict[str, datetime] = field(default_factory=dict)

    async def look_at(self, release: str) -> None:
        """
        Protect one release, then care for its run.

        What is away is noted and tried again at the next tick; what a person has to
        decide pages once. Nothing that goes wrong here ends the keeper.
        """
        self.troubles.pop(release, None)
        try:
            state = await self._protect(release)
            if state.ended is None and self._is_due(self.cared, release, CARE):
                await care_for_run(self.outside, state)
            if state.ended is None and state.run and self._is_due(self.shown, release, SHOW):
                await show(self.outside, state)
            await deliver(self.outside, release)
        except RunsAway as away:
            self.troubles[release] = str(away)
            await deliver(self.outside, release)
        except Away as away:
            self.troubles[release] = str(away)
        except CallAPerson as trouble:
            self.troubles[release] = str(trouble)
            await self._page(release, trouble)

    def _is_due(self, done: dict[str, datetime], release: str, every: timedelta) -> bool:
        """The orchestrator's SQLite server cannot bear a question a second; production is asked each tick."""
        now = self.outside.clock.now()
        if now - done.get(release, now - every) < every:
            return False
        done[release] = now
        return True

    def forget(self, release: str) -> None:
        """Drop what was kept for a release that has ended."""
        self.judging.forget(release)
        self.outside.journal.forget(release)
        self.troubles.pop(release, None)
        self.cared.pop(release, None)
        self.shown.pop(release, None)

    async def _protect(self, release: str) -> ReleaseState:
        state = await self.outside.journal.state(release)
        if state.ended is not None:
            return state
        if not state.aborting:
            await self._judge(state)
        state = await close_question(self.outside, release)
        if state.aborting and (state.exposed or state.restored_at is None):
            state = await restore(self.outside, release)
        return state

    async def _judge(self, state: ReleaseState) -> None:
        phase = state.current
        if phase is None or phase.environment is Environment.STAGING:
            return
        verdict = await look(self.outside, state, self.judging)
        if verdict is None:
            return
        await self._note(state, verdict)
        if phase.takes_traffic and verdict.finding is not Finding.HARMFUL:
            await note_share(self.outside, state.release, phase)

    async def _note(self, state: ReleaseState, verdict: Verdict) -> None:
        if verdict.finding is Finding.HARMFUL:
            await self.outside.journal.record(state.release, lambda s: _breach(s, verdict))
            return
        await self.outside.journal.record(state.release, lambda s: _news(s, verdict))
        for alert in verdict.alerts:
            await tell(
                self.outside,
                state.release,
                level=Level(alert.level),
                subject=f"{state.release}: {alert.action}",
                text=alert.text,
                once=f"{verdict.phase}/{alert.key}/{alert.level}",
            )

    async def _page(self, release: str, trouble: CallAPerson) -> None:
        subject = f"{release} needs a person"
        await tell(
            self.outside, release, level=Level.CRITICAL, subject=subject, text=str(trouble), once=str(trouble)
        )
        await deliver(self.outside, release)


def _breach(state: ReleaseState, verdict: Verdict) -> Event | None:
    if state.aborting or state.ended is not None or state.phase != verdict.phase:
        return None
    return Breached(phase=verdict.phase, because=verdict.because())


def _news(state: ReleaseState, verdict: Verdict) -> Event | None:
    """Only a verdict that says something new is an event; the counts are kept anyway."""
    known = state.verdict
    if state.aborting or state.ended is not None or state.phase != verdict.phase:
        return None
    if known and (known.finding, known.violated, known.silent) == (
        verdict.finding,
        verdict.violated,
        verdict.silent,
    ):
        return None
    return Judged(verdict=verdict, final=False)
