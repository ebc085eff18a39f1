"""What the demo shows while it runs: one live line on a terminal, a line every few seconds in a log."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from phasegate.domain.events import Recorded
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.observation import Minute
from phasegate.report.events_text import describe

EVERY = 5.0
LONGEST = 180
QUIET = frozenset({"delivered", "intended", "driven", "share-seen", "notice"})


@dataclass
class Screen:
    """Prints events as they come and a progress line under them."""

    live: bool = field(default_factory=sys.stdout.isatty)
    _began: float = field(default_factory=time.monotonic)
    _last: float = 0.0
    _width: int = 0

    def say(self, text: str) -> None:
        """A line that stays, with the seconds since the demo began."""
        self._wipe()
        print(f"{time.monotonic() - self._began:6.1f}s  {text}", flush=True)

    def events(self, rows: tuple[Recorded, ...], tags: Mapping[str, str]) -> None:
        """Every new event of the ledger that a reader wants to see."""
        for row in rows:
            if row.event.kind not in QUIET:
                text = describe(row.event, tags=tags)
                self.say(f"  {text if len(text) <= LONGEST else text[: LONGEST - 1] + '…'}")

    def progress(self, state: ReleaseState, minutes: tuple[Minute, ...]) -> None:
        """Phase, weight, requests and errors of both versions, time left, verdict."""
        text = progress_line(state, minutes, now=datetime.now(UTC))
        if self.live:
            self._wipe()
            print(text, end="\r", flush=True)
            self._width = len(text)
        elif time.monotonic() - self._last >= EVERY:
            self._last = time.monotonic()
            self.say(text)

    def _wipe(self) -> None:
        if self._width:
            print(" " * self._width, end="\r")
            self._width = 0


def progress_line(state: ReleaseState, minutes: tuple[Minute, ...], *, now: datetime) -> str:
    """One line: ``canary 10 % | 0.1.12 210 req 0 err | 0.1.11 1,890 req 0 err | 12 s left | healthy``."""
    canary = state.canary
    weight = state.live.split.weight(canary.id) if canary else 0.0
    versions = [version for version in (canary, state.known_good) if version is not None]
    counts = " | ".join(f"{version.label} {tally(minutes, version.id)}" for version in versions)
    soak = state.soaks.get(state.phase)
    left = f"{max(0.0, (soak.until - now).total_seconds()):.0f} s left" if soak else "working"
    if state.question:
        left = f"waits for {' and '.join(state.question.roles)}"
    verdict = state.verdict.finding if state.verdict else "nothing judged yet"
    status = "taking back" if state.aborting else verdict
    return f"{state.phase or 'opening'} {weight:g} % | {counts} | {left} | {status}"


def tally(minutes: tuple[Minute, ...], version: str) -> str:
    """Requests and errors of one version in words."""
    total = sum(minute.total(version) for minute in minutes)
    errors = sum(minute.errors(version) for minute in minutes)
    return f"{total:,} req {errors:,} err"
