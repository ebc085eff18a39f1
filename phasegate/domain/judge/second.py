"""What the second source alone may say: that invocations fail beyond a limit. It never says healthy."""

from phasegate.domain.judge.binomial import tail
from phasegate.domain.sources import Invocations


def accuse(
    invocations: tuple[Invocations, ...],
    limits: tuple[float, ...],
    *,
    canary: str,
    control: str,
    alpha: float,
) -> tuple[float, Invocations] | None:
    """
    The limit that the canary's failed invocations break beyond chance, with its counts; None for none.

    Chance is the binomial tail over the rows that were really counted, at the whole of *alpha*.
    Limits that the *control* breaks as well accuse nobody: the platform may be at fault.
    """
    found = {each.version: each for each in invocations}
    seen, other = found.get(canary), found.get(control)
    for limit in sorted(limits, reverse=True):
        if seen is not None and _breaks(seen, limit, alpha) and not (other and _breaks(other, limit, alpha)):
            return limit, seen
    return None


def _breaks(seen: Invocations, limit: float, alpha: float) -> bool:
    rows, bad = round(seen.requests / seen.sampling), round(seen.errors / seen.sampling)
    return rows > 0 and bad / rows > limit and tail(bad, rows, limit) <= alpha
