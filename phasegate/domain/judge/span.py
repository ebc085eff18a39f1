"""Since when the canary looks worse: the counts that are told to a person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from phasegate.domain.judge import relative
from phasegate.domain.judge.matched import NONE, added
from phasegate.domain.judge.tally import Pair

_PSI = 2.0


@dataclass(frozen=True, slots=True)
class Span:
    """
    The counts of both arms since the newest moment from which on they speak against the canary.

    A cumulative sum: where twice the control's rate becomes no likelier than the same rate,
    the span begins anew. It tells where evidence comes from, and decides nothing.
    """

    since: datetime | None = None
    canary: Pair = NONE
    control: Pair = NONE
    weight: float = 0.0

    def add(self, start: datetime, canary: Pair, control: Pair) -> "Span":
        """Take one interval in which both arms served."""
        gained = self.weight + relative.log_ratios((_PSI,), canary, control, rho=1.0)[0]
        if gained <= 0:
            return Span()
        return Span(self.since or start, added((self.canary, canary)), added((self.control, control)), gained)

    def state(self) -> list[Any]:
        """As plain values."""
        return [self.since.isoformat() if self.since else None, *self.canary, *self.control, self.weight]

    @classmethod
    def load(cls, state: list[Any]) -> "Span":
        """Read what :meth:`state` wrote."""
        since, *counts, weight = state
        at = datetime.fromisoformat(since) if since else None
        return cls(at, (counts[0], counts[1]), (counts[2], counts[3]), weight)


UNSUSPECTED = Span()
