"""
One driver's view of the ledger: read the state, decide on it, write one event.

An event is decided by a pure function of the newest state and is written only if
that state is still the newest. So no driver ever acts on something that was true
a moment ago: a breach that the keeper records makes a promotion impossible.
"""

from collections.abc import Callable

from phasegate.domain.errors import Refused, Superseded
from phasegate.domain.events import Event, Opened
from phasegate.domain.ledger import ReleaseState, replay
from phasegate.faultpoint import reach
from phasegate.ports import Clock, Ledger

ATTEMPTS = 50


class Journal:
    """Reads and writes the ledger in the name of one *driver*, remembering what it has replayed."""

    def __init__(self, ledger: Ledger, clock: Clock, *, driver: str) -> None:
        self.ledger = ledger
        self.clock = clock
        self.driver = driver
        self._states: dict[str, ReleaseState] = {}

    async def open(self, release: str, event: Opened) -> ReleaseState:
        """Begin a release; raises Refused when the service has another active one."""
        reach("before", "event", event.kind)
        await self.ledger.open(release, event, by=self.driver, at=self.clock.now())
        reach("after", "event", event.kind)
        return await self.state(release)

    async def exists(self, release: str) -> bool:
        """Whether the ledger knows *release*."""
        return release in self._states or bool(await self.ledger.events(release))

    async def state(self, release: str) -> ReleaseState:
        """The newest state; raises Refused when there is no such release."""
        known = self._states.get(release)
        rows = await self.ledger.events(release, after=known.seq if known else 0)
        if known is None and not rows:
            raise Refused(f"the ledger knows no release {release!r}; `phasegate ledger list` shows all")
        state = replay(rows, known)
        newest = self._states.get(release)
        # Two looks at one release may overlap; the one that read less must not win.
        if newest is None or newest.seq < state.seq:
            self._states[release] = state
        return state

    async def known(self, release: str, *, seq: int = 0) -> ReleaseState:
        """
        The state as it was last read; the ledger is asked only when that has fewer than *seq* events.

        For a driver that has just seen how far every release got. What is written is still decided
        on the newest state.
        """
        known = self._states.get(release)
        return known if known is not None and known.seq >= seq else await self.state(release)

    async def record(
        self, release: str, decide: Callable[[ReleaseState], Event | None], *, fence: int | None = None
    ) -> ReleaseState:
        """
        Write what *decide* makes of the newest state; None writes nothing.

        Another driver's event in between makes it decide again. Raises Superseded
        when a *fence* is given and no longer in force.
        """
        for _ in range(ATTEMPTS):
            state = await self.state(release)
            event = decide(state)
            if event is None:
                return state
            try:
                await self._append(state, event, fence=fence)
            except Superseded:
                if (await self.state(release)).seq == state.seq:
                    raise
                continue
            return await self.state(release)
        raise Superseded(f"{release}: the ledger moved on {ATTEMPTS} times while {self.driver} was writing")

    async def _append(self, state: ReleaseState, event: Event, *, fence: int | None) -> None:
        reach("before", "event", event.kind)
        await self.ledger.append(
            state.release, event, by=self.driver, at=self.clock.now(), expected=state.seq, fence=fence
        )
        reach("after", "event", event.kind)

    def forget(self, release: str) -> None:
        """Drop what was replayed of a release that is over."""
        self._states.pop(release, None)
