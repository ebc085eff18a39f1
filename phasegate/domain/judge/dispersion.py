"""
How much more the errors of a service scatter than chance alone would have them.

Clusters (a client that retries) hit one arm as a whole, so one cause is counted several times. The
service's own history shows it: split in two as if the halves were versions, they differ too much.
"""

from collections.abc import Iterable, Sequence

from phasegate.domain.judge.tally import Pair

# A burst hits both arms alike and cancels in the comparison; between neighbours in time it does not.
BURST_RATE, BURST_TIMES = 0.01, 10
LEAST_ERRORS = 20

Split = tuple[Pair, Pair]


def dispersion(splits: Iterable[Split]) -> float:
    """
    phi = sum (x_a - s x)^2 / sum x s (1 - s) over pseudo-A/A *splits*; 1 when too few errors are known.

    Each split is ``((bad, total), (bad, total))`` of two halves that the same version served.
    """
    found = [split for split in splits if split[0][1] and split[1][1]]
    errors = sum(a[0] + b[0] for a, b in found)
    if errors < LEAST_ERRORS:
        return 1.0
    calm = _most_in_calm(found)
    seen = expected = 0.0
    for (bad_a, total_a), (bad_b, total_b) in found:
        bad, total = bad_a + bad_b, total_a + total_b
        if bad > calm * total:
            continue
        share = total_a / total
        seen += (bad_a - share * bad) ** 2
        expected += bad * share * (1 - share)
    return seen / expected if expected else 1.0


def neighbours(intervals: Sequence[Pair]) -> list[Split]:
    """Pseudo-A/A splits of a history: each interval with the one after it, each used once."""
    return list(zip(intervals[::2], intervals[1::2], strict=False))


def eta(phi: float) -> float:
    """The power that every likelihood ratio is raised to."""
    return 1 / max(1.0, phi)


def _most_in_calm(splits: list[Split]) -> float:
    errors = sum(a[0] + b[0] for a, b in splits)
    return max(BURST_RATE, BURST_TIMES * errors / sum(a[1] + b[1] for a, b in splits))
