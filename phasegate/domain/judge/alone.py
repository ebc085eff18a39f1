"""
At 100 % no control is left: whether the version fails more often than the service's history explains.

Only the model of the history speaks here, so it may be wrong about a day that is unlike the one
before. It tells people; only the plan's own limits take a version back.
"""

from dataclasses import dataclass
from math import exp, inf, log
from typing import Any

from phasegate.domain.criteria import Level
from phasegate.domain.judge import hierarchy, starts, words
from phasegate.domain.judge.climate import Climate, certain
from phasegate.domain.judge.hierarchy import Alternative, Climates
from phasegate.domain.judge.matched import NONE, added
from phasegate.domain.judge.starts import Purse, purse
from phasegate.domain.judge.tally import Pair
from phasegate.domain.verdict import Alert


@dataclass(frozen=True, slots=True)
class Alone:
    """What the control was like at the end, and the stakes of what the version may be instead."""

    climate: Climate
    alternatives: tuple[Alternative, ...]
    stakes: tuple[float, ...]
    purse: Purse
    counts: Pair = NONE

    @property
    def log_evidence(self) -> float:
        """ln E."""
        return starts.worth(self.stakes, self.purse.cash)

    def add(self, served: Pair) -> "Alone":
        """Take one interval of the version."""
        if not served[1]:
            return self
        paid, held = self.purse.pay()
        known = certain(self.climate)
        ratios = hierarchy.log_ratios(self.alternatives, Climates(known, known), served, NONE)
        stakes = starts.grown(self.stakes, ratios, paid=paid)
        return Alone(self.climate, self.alternatives, stakes, held, added((self.counts, served)))

    def alerts(self, *, alpha: float) -> tuple[Alert, ...]:
        """The alert, when there is one."""
        if self.log_evidence < -log(alpha):
            return ()
        told = words.share(*self.counts)
        odds = words.chance(exp(-self.log_evidence))
        return (
            Alert(
                key="errors-above-history",
                level=Level.WARNING,
                text=f"failed {told} since it serves everything: {odds} by chance, going by the history",
                action="Find out whether the release is the cause; no control is left to tell.",
            ),
        )

    def state(self) -> list[Any]:
        """As plain values."""
        held = self.purse
        return [
            [self.climate.a, self.climate.b, *self.climate.bursts],
            [hierarchy.ALTERNATIVES.index(one) for one in self.alternatives],
            [None if stake == -inf else stake for stake in self.stakes],
            [held.each, held.due, held.left, held.cash, held.stepped],
            list(self.counts),
        ]

    @classmethod
    def load(cls, state: list[Any]) -> "Alone":
        """Read what :meth:`state` wrote."""
        (a, b, sharp, mild), picked, stakes, held, (bad, total) = state
        return cls(
            Climate(a, b, (sharp, mild)),
            tuple(hierarchy.ALTERNATIVES[at] for at in picked),
            tuple(-inf if stake is None else stake for stake in stakes),
            Purse(*held),
            (bad, total),
        )


def begin(climate: Climate, alternatives: tuple[Alternative, ...], *, intervals: int) -> Alone:
    """Nothing seen yet."""
    return Alone(climate, alternatives, (-inf,) * len(alternatives), purse(intervals))
