"""
What a comparison with a control can see at a given traffic, and how long proofs take.

A request of a canary that fails with rate p1, beside a control that fails with p0, is worth
p1 ln(p1/p0) - (p1 - p0) nats (the Kullback-Leibler divergence of two Poisson laws). The judge
has seen a regression after about 6.9 nats in half of the releases, after 2.5 times that in 95 %.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from math import ceil, log

from phasegate.domain.judge.absolute import INTERVALS, Limit
from phasegate.domain.judge.binomial import tail
from phasegate.domain.judge.proof import clears, missing

MEDIAN = 6.9
LIKELY = 2.5 * MEDIAN
_HALVINGS = 60
_MOST = 10**13


@dataclass(frozen=True, slots=True)
class Sight:
    """
    What *requests* of the canary could show beside a control with the rate *base*.

    A rise to *median* is seen in half of the releases, one to *likely* in 95 %; None when
    not even a rate of 1 would be.
    """

    requests: float
    base: float
    median: float | None
    likely: float | None


@dataclass(frozen=True, slots=True)
class Firing:
    """
    How an absolute limit fires in a window of *intervals*: from *bad* of *requests* on.

    *bad* is None when even all of them would be too few.
    """

    intervals: int
    requests: int
    bad: int | None

    @property
    def rate(self) -> float | None:
        """The observed rate from which it fires."""
        return self.bad / self.requests if self.bad is not None and self.requests else None


def information(rate: float, *, base: float) -> float:
    """Nats that one request is worth against "the rate is *base*" when it is *rate*; both in (0, 1]."""
    _in_range(base)
    return rate * log(rate / base) - (rate - base) if rate > base else 0.0


def information_per_minute(rps: float, share: float, *, rate: float, base: float) -> float:
    """I = 60 r s [p1 ln(p1/p0) - (p1 - p0)] nats; s is the canary's *share* (0..1) of r requests a second."""
    return canary_requests(rps, share, timedelta(minutes=1)) * information(rate, base=base)


def detection(
    rps: float, share: float, *, rate: float, base: float, nats: float = MEDIAN
) -> timedelta | None:
    """
    How long until a rise from *base* to *rate* is seen; None: never.

    In half of the releases it is seen sooner; with *nats* = LIKELY in 95 %.
    """
    each = information_per_minute(rps, share, rate=rate, base=base)
    return timedelta(minutes=nats / each) if each * 1e6 > nats else None


def canary_requests(rps: float, share: float, span: timedelta) -> float:
    """Requests that the canary serves in *span*: *rps* of all traffic a second, *share* (0..1) of them."""
    return rps * share * span.total_seconds()


def base_rate(bad: int, total: int) -> float:
    """
    The rate of a version that failed *bad* of *total*: (bad + 1/2) / (total + 500), never 0.

    The prior is that of the judge's history: half a failure in 500 requests.
    """
    return (bad + 0.5) / (total + 500)


def smallest_visible(requests: float, *, base: float, nats: float = MEDIAN) -> float | None:
    """
    The smallest rate that *requests* of the canary tell from *base*; None when not even a rate of 1.

    With *nats* = MEDIAN it is seen in half of the releases, with LIKELY in 95 %.
    """
    _in_range(base)
    if requests * information(1.0, base=base) < nats:
        return None
    low, high = base, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if requests * information(middle, base=base) >= nats else (middle, high)
    return high


def sight(requests: float, *, base: float) -> Sight:
    """What *requests* of the canary could show beside a control with the rate *base*."""
    return Sight(
        requests=requests,
        base=base,
        median=smallest_visible(requests, base=base),
        likely=smallest_visible(requests, base=base, nats=LIKELY),
    )


def power_reached(requests: float, *, base: float, rate: float, nats: float = LIKELY) -> bool:
    """
    Whether a rise from *base* to *rate* would have shown in *requests* of the canary.

    *rate* is what the plan calls harm, such as the phase's rollback limit; *requests* are
    those the judge has counted, not those expected. By default "would have shown" means in
    95 % of releases. A *rate* not above *base* can never show: False.
    """
    return requests * information(rate, base=base) >= nats


def clean_requests(limit: float, *, alpha: float) -> int | None:
    """How many requests without a bad one prove "below *limit*" at level *alpha*; None: no number does."""
    return missing(0, 0, limit=limit, alpha=alpha)


def requests_to_prove(limit: float, *, base: float, alpha: float) -> int | None:
    """
    How many requests prove "below *limit*" when a share of *base* is bad, as many as expected.

    None when *base* is not below the limit: it is never proved then.
    """
    if base >= limit:
        return None

    def enough(total: int) -> bool:
        return clears(base * total, total, limit=limit, alpha=alpha)

    return _least(enough, high=_MOST)


def firings(limit: Limit, *, per_interval: float, interval: timedelta) -> tuple[Firing, ...]:
    """
    From how many bad requests *limit* fires in each of its windows, at so many requests an interval.

    A sustained limit has one window: the time for which it must be broken.
    """
    if limit.sustained is not None:
        return (_firing(limit, ceil(limit.sustained / interval), per_interval),)
    return tuple(_firing(limit, count, per_interval) for count in INTERVALS)


def first_requests(limit: Limit) -> int | None:
    """How many requests in a row, all of them bad, make *limit* fire: the soonest that it can."""
    return _least(lambda total: tail(total, total, limit.good) <= limit.budget, high=10**6)


def _firing(limit: Limit, intervals: int, per_interval: float) -> Firing:
    total = int(per_interval * intervals)

    def enough(bad: int) -> bool:
        return bad > limit.measure.limit * total and tail(bad, total, limit.good) <= limit.budget

    return Firing(intervals, total, _least(enough, high=total) if total else None)


def _least(enough: Callable[[int], bool], *, high: int) -> int | None:
    """The least number up to *high* that is *enough*, when every greater one is as well."""
    low, top = 0, 1
    while not enough(min(top, high)):
        if top >= high:
            return None
        low, top = top, 2 * top
    top = min(top, high)
    while top - low > 1:
        middle = (low + top) // 2
        low, top = (low, middle) if enough(middle) else (middle, top)
    return top


def _in_range(base: float) -> None:
    if not 0 < base <= 1:
        raise ValueError(f"the base rate is {base}; allowed: more than 0, at most 1")
