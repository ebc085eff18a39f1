"""Latencies as log buckets: the simulated service, and where a cut falls."""

from math import erf, log, sqrt

import numpy as np

from phasegate.simulation.rollouts import Floats, Ints

RATIO = 1.1
FIRST = 1.0  # milliseconds
BUCKETS = 110  # up to 35 s
MEDIAN = 60.0  # milliseconds
SPREAD = 0.6  # standard deviation of the logarithm: P95 is 161 ms, P99 242 ms


def shares(*, slower: float = 1.0, tail: float = 0.0) -> Floats:
    """
    The share of requests in each bucket, shape (buckets,): a log-normal service.

    *slower* multiplies every latency; *tail* is the share of requests ten times slower.
    """
    body, slow = _lognormal(MEDIAN * slower), _lognormal(MEDIAN * slower * 10)
    return (1 - tail) * body + tail * slow


def edges() -> Floats:
    """Upper bounds of the buckets in milliseconds, shape (buckets,)."""
    return np.asarray(FIRST * RATIO ** np.arange(1, BUCKETS + 1), dtype=np.float64)


def slower_than(counts: Ints, cut: float) -> Ints:
    """Requests slower than *cut* (ms): buckets that begin at or above it, summed over the last axis."""
    first = int(np.searchsorted(edges(), cut, side="left")) + 1
    return np.asarray(counts[..., first:].sum(axis=-1), dtype=np.int64)


def _lognormal(median: float) -> Floats:
    below = np.array([_normal((log(edge) - log(median)) / SPREAD) for edge in edges()])
    below[-1] = 1.0
    return np.diff(below, prepend=0.0)


def _normal(z: float) -> float:
    return (1 + erf(z / sqrt(2))) / 2
