"""
One look at one active release: what the keeper does each tick.

It needs the ledger, the target and the metrics only. The orchestrator may be dead:
a harmful version is taken back here, at once; telling people and verifying follow.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from phasegate.actions.advancing import look
from phasegate.actions.crosscheck import cross_check
from phasegate.actions.drift import mind_drift
from phasegate.actions.gates import close_question
from phasegate.actions.judging import Judging
from phasegate.actions.outside import Outside
from phasegate.actions.rollback import restore
from phasegate.actions.sharing import note_share
from phasegate.actions.soaking import begin_overdue_soak
from phasegate.actions.telling import notice_id, tell
from phasegate.domain.criteria import Level
from phasegate.domain.errors import Away, CallAPerson, Drift, FixTheInput, PhasegateError, RunsAway
from phasegate.domain.events import Breached, Event, Judged
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Environment, Phase
from phasegate.domain.verdict import Finding, Verdict
from phasegate.keeper.care import care_for_run
from phasegate.keeper.paging import Paging
from phasegate.keeper.show import show
from phasegate.keeper.synthetic import Sender

log = logging.getLogger("phasegate.keeper")
CARE = timedelta(seconds=3)
RARELY = timedelta(seconds=15)
SHOW = timedelta(seconds=30)
PARTING = 5.0


@dataclass
class Watch:
    """The keeper's hands and memory: ``troubles`` are the last words about what did not work."""

    outside: Outside
    judging: Judging = field(default_factory=Judging)
    troubles: dict[str, str] = field(default_factory=dict)
    cared: dict[str, datetime] = field(default_factory=dict)
    shown: dict[str, datetime] = field(default_factory=dict)
    crossed: dict[str, datetime] = field(default_factory=dict)
    comparing: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    sender: Sender = field(init=False)
    paging: Paging = field(init=False)

    def __post_init__(self) -> None:
        self.sender = Sender(self.outside)
        self.paging = Paging(self.outside)

    async def look_at(self, release: str) -> None:
        """Protect one release, then care for its run."""
        await self.protect(release)
        await self.care(release)

    async def protect(self, release: str, *, seq: int | None = None) -> None:
        """
        Judge one release and take it back when it does harm; the orchestrator is not asked.

        What is away is noted and tried again at the next tick; what a person has to
        decide pages once. Nothing that goes wrong here ends the keeper. What is to be
        told waits in the ledger for the outbox, because a channel may be slow. *seq* is how far
        the release's events have just been seen to go; without it they are read.
        """
        self.troubles.pop(release, None)
        try:
            await self._protect(await self._state(release, seq))
        except Away as away:
            self.troubles[release] = str(away)
            await self.paging.overdue(release, away)
        except (CallAPerson, FixTheInput) as trouble:
            self.troubles[release] = str(trouble)
            await self.paging.person(release, trouble)
            await self.paging.overdue(release, trouble)
        else:
            self.paging.forget(release)

    async def _state(self, release: str, seq: int | None) -> ReleaseState:
        journal = self.outside.journal
        return await (journal.state(release) if seq is None else journal.known(release, seq=seq))

    async def care(self, release: str, *, seq: int | None = None) -> None:
        """
        Care for the run of one release and show how it stands; the orchestrator may be away or hang.

        *seq* as for `protect`.
        """
        try:
            state = await self._state(release, seq)
            if state.ended is None and self._is_due(self.cared, release, self._care_every(state)):
                await care_for_run(self.outside, state)
            if state.ended is None and state.run and self._is_due(self.shown, release, _show_every(state)):
                await show(self.outside, state)
        except RunsAway as away:
            self.troubles[release] = str(away)
        except (CallAPerson, FixTheInput) as trouble:
            self.troubles[release] = str(trouble)
            await self.paging.person(release, trouble)

    def _care_every(self, state: ReleaseState) -> timedelta:
        """A run has nothing to do in a long soak; asking for hundreds of them is dear."""
        soak = state.soaks.get(state.phase)
        if soak is None or state.aborting or state.question or self.outside.clock.now() >= soak.until:
            return CARE
        return max(CARE, min(RARELY, (soak.until - soak.since) / 100))

    def _is_due(self, done: dict[str, datetime], release: str, every: timedelta) -> bool:
        """The orchestrator's SQLite server cannot bear a question a second; production is asked each tick."""
        now = self.outside.clock.now()
        # Less than nothing: the clock was put back, and the other time says nothing any more.
        if timedelta(0) <= now - done.get(release, now - every) < every:
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
        self.crossed.pop(release, None)
        if (comparing := self.comparing.pop(release, None)) is not None:
            comparing.cancel()
        self.sender.forget(release)
        self.paging.forget(release)

    async def _protect(self, state: ReleaseState) -> ReleaseState:
        release = state.release
        if state.ended is not None:
            return state
        if not state.aborting:
            await self._judge(state)
        state = await self.outside.journal.known(release)
        if state.question is not None:
            state = await close_question(self.outside, release)
        if state.aborting and (state.exposed or state.restored_at is None):
            state = await restore(self.outside, release)
        return await self._compare(state)

    async def _compare(self, state: ReleaseState) -> ReleaseState:
        """
        The ledger may be wrong about production: a write may land late, somebody else may deploy.

        A release that waits for a decision about that is cared for as any other.
        """
        try:
            return await mind_drift(self.outside, state.release)
        except Drift as drift:
            self.troubles[state.release] = str(drift)
            await self.paging.person(state.release, drift)
            return await self.outside.journal.state(state.release)

    async def _judge(self, state: ReleaseState) -> None:
        state = await begin_overdue_soak(self.outside, state)
        phase = state.watched or state.current
        if phase is None or phase.environment is Environment.STAGING:
            return
        verdict = await look(self.outside, state, self.judging)
        if verdict is None:
            return
        await self._note(state, verdict)
        if not phase.takes_traffic or verdict.finding is Finding.HARMFUL:
            return
        # Between two phases the weight may be the next one's already, and nothing is to be proved.
        lasts = phase == state.current
        if lasts and phase.name not in state.followed:
            await note_share(self.outside, state.release, phase)
        self._compare_sources(state, phase)
        if lasts:
            self.sender.begin(state, phase)

    def _compare_sources(self, state: ReleaseState, phase: Phase) -> None:
        """Beside the look: a second source that hangs must not delay what the first one shows."""
        rule, running = state.plan.telemetry.cross_check, self.comparing.get(state.release)
        if rule is None or (running and not running.done()):
            return
        if self._is_due(self.crossed, state.release, rule.every):
            self.comparing[state.release] = asyncio.create_task(self._compared(state, phase))

    async def _compared(self, state: ReleaseState, phase: Phase) -> None:
        try:
            await cross_check(self.outside, state, phase)
        except PhasegateError as trouble:
            log.warning("%s: the sources of metrics were not compared: %s", state.release, trouble)
        except Exception:
            # A comparison that is broken must not stay unseen, and must not end the watch.
            log.exception("%s: the sources of metrics could not be compared", state.release)

    async def finish(self) -> None:
        """Let comparisons that are under way come to their end, for a few seconds; nothing more is sent."""
        await self.sender.finish()
        if running := [task for task in self.comparing.values() if not task.done()]:
            _, late = await asyncio.wait(running, timeout=PARTING)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _note(self, state: ReleaseState, verdict: Verdict) -> None:
        if verdict.finding is Finding.HARMFUL:
            await self.outside.journal.record(state.release, lambda s: _breach(s, verdict))
            return
        if _news(state, verdict) is not None:
            await self.outside.journal.record(state.release, lambda s: _news(s, verdict))
        for alert in verdict.alerts:
            once = f"{verdict.phase}/{alert.key}/{alert.level}"
            if notice_id(state.release, once) in state.notices:
                continue
            await tell(
                self.outside,
                state.release,
                level=Level(alert.level),
                subject=f"{state.release}: {alert.action}",
                text=alert.text,
                once=once,
            )


def _show_every(state: ReleaseState) -> timedelta:
    """Each picture stays in the orchestrator's database: about a hundred for a soak, no more."""
    soak = state.soaks.get(state.phase)
    return max(SHOW, (soak.until - soak.since) / 100) if soak else SHOW


def _breach(state: ReleaseState, verdict: Verdict) -> Event | None:
    """Harm counts although another phase has begun during the look: the candidate is the same."""
    if not state.retractable:
        return None
    return Breached(
        phase=verdict.phase,
        because=verdict.because(),
        judged_until=verdict.judged_until,
        synthetic_until=verdict.synthetic_until,
    )


def _news(state: ReleaseState, verdict: Verdict) -> Event | None:
    """Only a verdict that says something new is an event; the counts are kept anyway."""
    known = state.verdict
    if not state.retractable or state.watched is None or state.watched.name != verdict.phase:
        return None
    if known and (known.finding, known.violated, known.silent) == (
        verdict.finding,
        verdict.violated,
        verdict.silent,
    ):
        return None
    return Judged(verdict=verdict, final=False)
