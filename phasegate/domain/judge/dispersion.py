"""
How much more the errors of a service scatter than chance alone would have them.

Clusters (a client that retries) hit one arm as a whole, so one cause is counted several times. The
service's own history shows it: split in two as if the halves were versions, they differ too much.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from phasegate.domain.judge.tally import Pair

# A burst hits both arms alike and cancels in the comparison; between neighbours in time it does not. What
# tells it from a cluster, which looks the same where traffic is thin, is that it lasts.
BURST_RATE, BURST_TIMES, BURST_LASTS = 0.01, 10, 3
# Each error alone in its interval says exactly "no cluster", so few are enough.
LEAST_ERRORS = 5

Split = tuple[Pair, Pair]


def dispersion(splits: Iterable[Split]) -> float:
    """
    phi = sum (x_a - s x)^2 / sum x s (1 - s) over pseudo-A/A *splits*; 1 when too few errors are known.

    Each split is ``((bad, total), (bad, total))`` of two halves that the same version served.
    """
    errors = 0
    seen = expected = 0.0
    for (bad_a, total_a), (bad_b, total_b) in splits:
        if total_a and total_b:
            bad, share = bad_a + bad_b, total_a / (total_a + total_b)
            errors += bad
            seen += (bad_a - share * bad) ** 2
            expected += bad * share * (1 - share)
    return seen / expected if expected and errors >= LEAST_ERRORS else 1.0


def neighbours(intervals: Sequence[Pair]) -> list[Split]:
    """Pseudo-A/A splits of a history: each interval outside bursts with the one after it, each used once."""
    calm = _calm(intervals)
    return list(zip(calm[::2], calm[1::2], strict=False))


def eta(phi: float) -> float:
    """The power that every likelihood ratio is raised to."""
    return 1 / max(1.0, phi)


def _calm(intervals: Sequence[Pair]) -> list[Pair]:
    """What is left without bursts: intervals one after the other, each far worse than usual."""
    errors, served = sum(bad for bad, _ in intervals), sum(total for _, total in intervals)
    most = max(BURST_RATE, BURST_TIMES * errors / served) if served else 1.0
    kept: list[Pair] = []
    for worse, group in groupby(intervals, key=lambda one: one[0] > most * one[1]):
        rows = list(group)
        if not worse or len(rows) < BURST_LASTS:
            kept += rows
    return kept
