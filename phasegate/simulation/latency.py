"""The simulated service's latencies: log-normal, or with a tail."""

from collections.abc import Sequence
from math import erf, log, sqrt

import numpy as np

from phasegate.simulation.rollouts import Floats, Ints

MEDIAN = 60.0  # milliseconds
SPREAD = 0.6  # standard deviation of the logarithm: P95 is 161 ms, P99 242 ms


def shares(cuts: Sequence[int], *, slower: float = 1.0, tail: float = 0.0) -> Floats:
    """
    The share of requests up to the first cut (ms), between each two, and beyond the last: shape (cuts + 1,).

    *slower* multiplies every latency; *tail* is the share of requests ten times slower.
    """
    body, slow = _lognormal(cuts, MEDIAN * slower), _lognormal(cuts, MEDIAN * slower * 10)
    return (1 - tail) * body + tail * slow


def slower_than(buckets: Ints) -> Ints:
    """Counts per bucket, over the last axis, as counts of requests slower than each cut."""
    return np.asarray(np.cumsum(buckets[..., :0:-1], axis=-1)[..., ::-1], dtype=np.int64)


def _lognormal(cuts: Sequence[int], median: float) -> Floats:
    below = [_normal((log(cut) - log(median)) / SPREAD) for cut in cuts]
    return np.diff(np.array([0.0, *below, 1.0]))


def _normal(z: float) -> float:
    return (1 + erf(z / sqrt(2))) / 2
