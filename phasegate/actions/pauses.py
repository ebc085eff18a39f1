"""How long a channel that is away is left alone, so that it is not asked every second for a day."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

SHORTEST = timedelta(seconds=1)
MOST = timedelta(seconds=30)
# A channel may ask for more time than that; a page must not wait for as long as anybody likes.
LONGEST = timedelta(minutes=5)


@dataclass
class Pauses:
    """A pause for each channel, or each notice, that failed: twice as long each time, until it succeeds."""

    _until: dict[str, datetime] = field(default_factory=dict)
    _length: dict[str, timedelta] = field(default_factory=dict)

    def lasts(self, what: str, now: datetime) -> bool:
        """Whether *what* is to be left alone; a clock that was put back ends every pause."""
        until = self._until.get(what)
        return until is not None and now < until <= now + LONGEST

    def begin(self, what: str, now: datetime, *, after: timedelta | None = None) -> None:
        """*what* failed; *after* is how long it asked to be left alone."""
        asked = min(after or timedelta(0), LONGEST)
        if self.lasts(what, now):
            # Another that was under way at the same time: it says nothing new.
            self._until[what] = max(self._until[what], now + asked)
            return
        length = min(2 * self._length.get(what, SHORTEST / 2), MOST)
        self._length[what] = length
        self._until[what] = now + max(length, asked)

    def end(self, what: str) -> None:
        """It succeeded."""
        self._until.pop(what, None)
        self._length.pop(what, None)
