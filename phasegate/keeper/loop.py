"""The resident loop: one process watches every active release."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from phasegate.actions.guarding import note_blind
from phasegate.actions.outside import Outside
from phasegate.domain.errors import PhasegateError
from phasegate.domain.listing import Row
from phasegate.keeper.liveness import Health
from phasegate.keeper.outbox import EVERY, Outbox
from phasegate.keeper.sleepers import EVERY as SLEEPERS_EVERY
from phasegate.keeper.sleepers import Sleepers
from phasegate.keeper.unreadable import page_unwatched
from phasegate.keeper.watch import Watch

log = logging.getLogger("phasegate.keeper")
IDLE = timedelta(seconds=2)
OUTBOX = ""
SLEEPERS = " runs of ended releases"
SHORTEST = timedelta(milliseconds=50)
AT_ONCE = 128
LISTED = timedelta(milliseconds=0.5)
PARTING = 20.0
BEAT = timedelta(seconds=1)
OVERDUE = timedelta(seconds=30)
FIRST = timedelta(seconds=5)
# A look that waits for a slow platform gives up by itself; one that takes longer than this hangs.
LONGEST = timedelta(minutes=2)
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass
class Keeper:
    """
    Watches all active releases, each at its plan's tick.

    ``idle`` is how often the ledger is asked for releases. A look at one release
    never delays another's: they run side by side, at most 128 at once.
    """

    outside: Outside
    name: str
    idle: timedelta = IDLE
    watch: Watch = field(init=False)
    outbox: Outbox = field(init=False)
    sleepers: Sleepers = field(init=False)
    _due: dict[str, datetime] = field(default_factory=dict)
    _due_outbox: datetime = LONG_AGO
    _due_sleepers: datetime = LONG_AGO
    _due_beat: datetime = LONG_AGO
    _began: datetime = LONG_AGO
    _seen: dict[str, datetime] = field(default_factory=dict)
    _ticks: dict[str, timedelta] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)
    _heads: dict[str, int] = field(default_factory=dict)
    _looks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def __post_init__(self) -> None:
        self.watch = Watch(self.outside)
        self.outbox = Outbox(self.outside)
        self.sleepers = Sleepers(self.outside)

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
            end = time.monotonic() + PARTING
            await self._finish(limit=PARTING)
            await self.outbox.finish(limit=max(end - time.monotonic(), 0))
            await self.watch.finish()

    async def tick(self) -> None:
        """
        Look once at every active release, and wait until all have been looked at.

        It is no sign of life, because nobody looks again: only `run` gives one.
        """
        await self._begin()
        await self._finish(limit=None)
        await self.watch.finish()
        await self.outbox.deliver()

    async def _begin_safely(self) -> timedelta:
        try:
            pause = await self._begin()
            await self._beat(self.outside.clock.now())
            return pause
        except PhasegateError as trouble:
            log.warning("%s", trouble)
        except Exception:
            # Whatever it is: a keeper that has ended protects nobody.
            log.exception("a tick failed; the next one follows")
        return self.idle

    async def _begin(self) -> timedelta:
        """Begin to look at every release that is due; returns how long nothing will be due."""
        now = self.outside.clock.now()
        rows = await self.outside.journal.ledger.releases(active=True)
        self._heads = {row.release: row.seq for row in rows}
        self._drop_ended(set(self._heads))
        for row in rows:
            if row.release not in self._looks and self._is_due(row.release, now):
                self._start(row.release, self._look(row))
            self._seen.setdefault(row.release, now)
        if OUTBOX not in self._looks and not timedelta(0) < self._due_outbox - now <= EVERY:
            self._due_outbox = now + EVERY
            self._start(OUTBOX, self.outbox.begin())
        if SLEEPERS not in self._looks and not timedelta(0) < self._due_sleepers - now <= SLEEPERS_EVERY:
            self._due_sleepers = now + SLEEPERS_EVERY
            self._start(SLEEPERS, self._wake_sleepers())
        times = [self._due[row.release] for row in rows if row.release in self._due]
        self._began = self.outside.clock.now()
        wait = min(times, default=now + self.idle) - self._began
        # Reading the list costs time as well; looks that are due at nearly the same time share one.
        return max(SHORTEST, len(rows) * LISTED, min(wait, self.idle))

    def _is_due(self, release: str, now: datetime) -> bool:
        """A clock that was put back must not leave a release unwatched until it has caught up."""
        seen = self._seen.get(release)
        return self._due.get(release, now) <= now or (seen is not None and seen > now)

    async def _beat(self, now: datetime) -> None:
        """A sign of life says that releases are looked at; while looks hang or all fail there is none."""
        # A clock that was put back must not silence the keeper until it has caught up.
        if now < self._due_beat and self._due_beat - now <= BEAT:
            return
        self._due_beat = now + BEAT
        if self._sees(now):
            await self.outside.journal.ledger.beat(self.name, at=now)

    def _sees(self, now: datetime) -> bool:
        """
        Whether no look hangs and not every release is one that cannot be looked at.

        Those that cannot be are said one by one; they must not keep the others from going on.
        """
        late = {release for release in self._looks if now - self._due.get(release, now) > LONGEST}
        hanging = late | (set(self._overdue(now)) - self._failed)
        unseen = self._blind(now) | self._unproven(now)
        return not hanging and (not self._seen or not unseen.issuperset(self._seen))

    def _blind(self, now: datetime) -> set[str]:
        """The releases of which every look has failed for too long, or since the first."""
        overdue = set(self._overdue(now))
        return {release for release in self._failed if release in overdue or release not in self._ticks}

    def _overdue(self, now: datetime) -> list[str]:
        """The releases whose last look ended too long ago."""
        return [release for release, seen in self._seen.items() if now - seen > self._allowed(release)]

    def _unproven(self, now: datetime) -> set[str]:
        """
        The releases that were never looked at with success, and whose first look has just begun.

        Else a keeper that is started again and again would seem to live for half a minute each time.
        """
        zero, seen = timedelta(0), self._seen
        return {each for each in seen if each not in self._ticks and zero <= now - seen[each] < FIRST}

    def _allowed(self, release: str) -> timedelta:
        waits = release in self._looks and release not in self._failed
        # What is due next says nothing here: a look that fails makes the next one due as well.
        return max(LONGEST if waits else OVERDUE, 3 * self._ticks.get(release, timedelta(0)))

    def health(self) -> Health:
        """
        Well while the loop turns and no release waits too long for a look; ages in seconds.

        Alive, which starting it again could not mend, also while looks at some releases fail.
        """
        now = self.outside.clock.now()
        overdue = self._overdue(now)
        ages = {release: round((now - seen).total_seconds(), 1) for release, seen in self._seen.items()}
        loop = (now - self._began).total_seconds() if self._began > LONG_AGO else None
        turns = loop is not None and loop < OVERDUE.total_seconds()
        ok = turns and not overdue
        told = {
            "keeper": self.name,
            "ok": ok,
            "last_tick_age": None if loop is None else round(loop, 1),
            "releases": ages,
            "overdue": overdue,
            "troubles": dict(self.watch.troubles),
        }
        return Health(ok, told, alive=turns and self._sees(now))

    def _start(self, release: str, look: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(look)
        self._looks[release] = task
        task.add_done_callback(lambda _: self._looks.pop(release, None))

    async def _finish(self, *, limit: float | None) -> None:
        while looks := tuple(self._looks.values()):
            _, late = await asyncio.wait(looks, timeout=limit)
            for look in late:
                look.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            await asyncio.sleep(0)

    async def _look(self, row: Row) -> None:
        release, state = row.release, None
        async with self._gate:
            began = self.outside.clock.now()
            # Overdue looks of a slow release must not make the loop spin.
            self._due[release] = began + self.idle
            try:
                await self.watch.protect(release, seq=self._heads.get(release, row.seq))
                state = await self.outside.journal.known(release)
                self._succeeded(release, state.plan.tick, began=began)
            except Exception as trouble:
                # One release that cannot be looked at must not leave the others unwatched.
                fault = trouble
        if state is None:
            await self._page_failing(release, fault)
        if state is None or state.undelivered:
            self.outbox.add(release)
        if release in self.watch.troubles:
            log.warning("%s: %s", release, self.watch.troubles[release])
        # An orchestrator that accepts calls and does not answer must not delay the next look.
        if (caring := f"run of {release}") not in self._looks:
            self._start(caring, self._care(release))

    def _succeeded(self, release: str, tick: timedelta, *, began: datetime) -> None:
        self._due[release] = began + tick
        self._seen[release] = self.outside.clock.now()
        self._ticks[release] = tick
        self._failed.discard(release)

    async def _page_failing(self, release: str, fault: Exception) -> None:
        self._failed.add(release)
        self.watch.troubles[release] = str(fault) or type(fault).__name__
        if not isinstance(fault, PhasegateError):
            log.error("looking at %s failed; it is tried again", release, exc_info=fault)
        now = self.outside.clock.now()
        if release in self._blind(now):
            await self._say_blind(release)
        await page_unwatched(self.outside, release, fault, overdue=release in self._overdue(now))

    async def _say_blind(self, release: str) -> None:
        try:
            await note_blind(self.outside, release)
        except PhasegateError as away:
            log.warning("%s: that it cannot be looked at could not be noted: %s", release, away)

    async def _care(self, release: str) -> None:
        try:
            await self.watch.care(release, seq=self._heads.get(release))
        except PhasegateError as trouble:
            log.warning("%s: %s", release, trouble)
        except Exception:
            log.exception("caring for the run of %s failed; it is tried again", release)

    async def _wake_sleepers(self) -> None:
        try:
            await self.sleepers.wake()
        except PhasegateError as trouble:
            log.warning("runs of ended releases were not looked at: %s", trouble)
        except Exception:
            log.exception("looking at the runs of ended releases failed; it is tried again")

    def _drop_ended(self, active: set[str]) -> None:
        for release in [release for release in self._due if release not in active]:
            if release in self._looks:
                continue
            del self._due[release]
            self._seen.pop(release, None)
            self._ticks.pop(release, None)
            self._failed.discard(release)
            self.watch.forget(release)
            self.outbox.add(release)
            self.sleepers.add(release)
