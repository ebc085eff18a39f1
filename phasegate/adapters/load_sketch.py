"""A latency sketch: fixed logarithmic bins, so that merging is adding and any order gives the same bits."""

import math
from array import array

LOWEST_MS = 1.0
HIGHEST_MS = 60_000.0
RATIO = 1.02
_LOG_RATIO = math.log(RATIO)
BINS = math.ceil(math.log(HIGHEST_MS / LOWEST_MS) / _LOG_RATIO) + 1


class LatencySketch:
    """
    Counts latencies in milliseconds in 557 bins, each 2 % wider than the one before.

    A quantile is at most 1 % from the value it stands for. Everything up to 1 ms is
    one bin, everything from 60 s on is another.
    """

    __slots__ = ("_bins", "count")

    def __init__(self) -> None:
        self._bins = array("I", bytes(4 * BINS))
        self.count = 0

    def add(self, milliseconds: float) -> None:
        """Count one latency."""
        self.count += 1
        if milliseconds <= LOWEST_MS:
            self._bins[0] += 1
            return
        place = math.ceil(math.log(milliseconds) / _LOG_RATIO)
        self._bins[min(place, BINS - 1)] += 1

    def merge(self, other: "LatencySketch") -> None:
        """Add what another sketch has counted."""
        self._bins = array("I", map(int.__add__, self._bins, other._bins))
        self.count += other.count

    def quantile(self, share: float) -> float | None:
        """The latency in ms that this share (0 to 1) of the requests did not exceed; None when empty."""
        if not 0 <= share <= 1:
            raise ValueError(f"a quantile is a share from 0 to 1, not {share}")
        rank = max(1, math.ceil(share * self.count))
        seen = 0
        for place, count in enumerate(self._bins):
            seen += count
            if seen >= rank:
                return LOWEST_MS if place == 0 else RATIO ** (place - 0.5)
        return None
