"""
When a canary may have become worse: evidence that starts at any interval, paid from one purse.

Of the purse .65 is put in when the canary gets its first traffic, .10 when its weight is raised, and
.25 bit by bit, so that what starts late or grows slowly is seen. What is not put in yet is cash.
"""

from dataclasses import dataclass
from functools import cache
from math import exp, inf, log

from phasegate.domain.judge.likelihood import log_or_never, log_sum

AT_DEPLOY, AT_STEP, SPREAD = 0.65, 0.10, 0.25


@dataclass(frozen=True, slots=True)
class Purse:
    """What is *due* at the next interval, what *each* interval adds of what is *left*, and what is *cash*."""

    each: float
    due: float = AT_DEPLOY
    left: float = SPREAD
    cash: float = 1.0
    stepped: bool = False

    def step(self) -> "Purse":
        """The weight was raised; only the first raise is paid for."""
        if self.stepped:
            return self
        return Purse(self.each, self.due + AT_STEP, self.left, self.cash, stepped=True)

    def pay(self) -> tuple[float, "Purse"]:
        """What is put in for this interval, and the purse afterwards."""
        bit = min(self.each, self.left)
        paid = self.due + bit
        left, cash = self.left - bit, max(self.cash - paid, 0.0)
        return paid, Purse(self.each, 0.0, left, cash, stepped=self.stepped)


def purse(intervals: int) -> Purse:
    """The purse of a rollout that is compared for so many *intervals*."""
    return Purse(each=SPREAD / max(intervals, 1))


@cache
def weights(components: int) -> tuple[float, ...]:
    """
    The share of each component, mildest first: 1, 1/2, 1/3, ..., made to sum to 1.

    A mild regression needs every nat; a strong one is seen at once whatever it is given.
    """
    whole = sum(1 / rank for rank in range(1, components + 1))
    return tuple(1 / rank / whole for rank in range(1, components + 1))


def grown(
    stakes: tuple[float, ...],
    ratios: list[float],
    *,
    paid: float,
    shares: tuple[float, ...] | None = None,
) -> tuple[float, ...]:
    """
    ln of each component's stake after an interval: S <- (S + w paid) LR, with ln LR from *ratios*.

    The w are *shares*, or :func:`weights`.
    """
    told = (log_or_never(paid * share) for share in shares or weights(len(stakes)))
    return tuple(
        _log_add(stake, share) + ratio for stake, share, ratio in zip(stakes, told, ratios, strict=True)
    )


def worth(stakes: tuple[float, ...], cash: float) -> float:
    """ln of the evidence: the cash and all stakes."""
    return log_sum((log_or_never(cash), *stakes))


def _log_add(one: float, two: float) -> float:
    if two == -inf:
        return one
    high, low = (one, two) if one >= two else (two, one)
    return high + log(1 + exp(low - high))
