"""What is staked on a start in each interval, for arrays: see ``phasegate.domain.judge.starts``."""

from dataclasses import dataclass

import numpy as np

from phasegate.domain.judge.starts import AT_DEPLOY, AT_STEP, SPREAD
from phasegate.simulation.rollouts import Flags, Floats


@dataclass
class Purse:
    """See ``phasegate.domain.judge.starts``; one for each stream."""

    each: float
    due: Floats
    left: Floats
    cash: Floats
    stepped: bool = False

    @classmethod
    def begin(cls, streams: int, intervals: int) -> "Purse":
        """Purses of rollouts that are compared for so many *intervals*."""
        each = SPREAD / max(intervals, 1)
        return cls(each, np.full(streams, AT_DEPLOY), np.full(streams, SPREAD), np.ones(streams))

    def raise_weight(self) -> None:
        """The first raise is paid for."""
        if not self.stepped:
            self.due, self.stepped = self.due + AT_STEP, True

    def pay(self, compared: Flags) -> Floats:
        """What each stream puts in for this interval, where it *compared* anything."""
        bit = np.where(compared, np.minimum(self.each, self.left), 0.0)
        paid = bit + np.where(compared, self.due, 0.0)
        self.due = np.where(compared, 0.0, self.due)
        self.left = self.left - bit
        self.cash = np.maximum(self.cash - paid, 0.0)
        return np.asarray(paid)

    def only(self, going: Flags) -> "Purse":
        """The streams that are still followed."""
        return Purse(self.each, self.due[going], self.left[going], self.cash[going], self.stepped)
