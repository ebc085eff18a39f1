"""What one stream's comparison is set to at deploy, from its past and the course of the rollout."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from phasegate.domain.judge import climate, hierarchy, relative
from phasegate.domain.judge.climate import Belief, Pace
from phasegate.domain.judge.course import Course, Leg, Past
from phasegate.domain.judge.dispersion import Following, burst_rate
from phasegate.domain.judge.hierarchy import ALTERNATIVES, Alternative
from phasegate.domain.judge.relative import PSIS

TOLERANCE = 1.0
# A component that can never decide, and one that only decides sooner within the first interval, cost weight.
LEAST_NATS, MOST_NATS = 4.0, 15.0
FEW_ERRORS, TRUST_FEW, TRUST_MANY = 50, 0.15, 0.85
# How much more than E_rel a model of the history may say, which can be wrong in ways that nobody thought of.
TIMES = 30.0
# What was begun when a history could not be outdated.
TIMES_BEFORE = 10.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting:
    """
    How counts become evidence: E = v E_rel + (1 - v) min(E_hier, *times* E_rel).

    *psis* and *alternatives* are the components, mildest first; *rho* the tolerated ratio,
    *scatter* and *prior* what history says, *each* the pace of bursts.
    """

    psis: tuple[float, ...]
    alternatives: tuple[Alternative, ...]
    v: float
    rho: float
    scatter: Following
    prior: Belief
    each: Pace
    intervals: int
    times: float = TIMES


def setting(past: Past, course: Course, *, rho: float = TOLERANCE, strict: bool = False) -> Setting:
    """
    Choose for one stream; without known traffic every component stays.

    *strict* trusts no model: v = 1.
    """
    each = climate.pace(course.minutes)
    return Setting(
        psis=_picked(PSIS, _worth_of_psi(past, rho), past, course),
        alternatives=_picked(_mildest_first(past), _worth_of_alternative(past), past, course),
        v=1.0 if strict else _trust(past, course),
        rho=rho,
        scatter=Following(past.scatter, burst_rate(past.rate)),
        prior=climate.believed(*past.counts, each=each),
        each=each,
        intervals=course.intervals,
    )


def _mildest_first(past: Past) -> list[Alternative]:
    """At a rate of 0.5 % "three times" is more than "1 %"; at 0.01 % it is less."""
    return sorted(ALTERNATIVES, key=lambda one: one.rate(past.rate))


def _trust(past: Past, course: Course) -> float:
    errors = past.traffic * past.rate * course.legs[0].intervals
    return TRUST_FEW if errors < FEW_ERRORS else TRUST_MANY


def _picked(
    components: Sequence[T], worth: Callable[[T, Leg], float], past: Past, course: Course
) -> tuple[T, ...]:
    """
    Drop what is worth less than 4 nats in the whole rollout; of what is worth more than 15 in one
    interval of the first phase keep the mildest. Something is always kept: the strongest.
    """
    if not past.traffic:
        return tuple(components)
    first = Leg(course.legs[0].share, 1)
    at_once = sorted(
        (found, at) for at, one in enumerate(components) if (found := worth(one, first)) > MOST_NATS
    )
    needless = {at for _, at in at_once[1:]}
    kept = [
        one
        for at, one in enumerate(components)
        if at not in needless and sum(worth(one, leg) for leg in course.legs) >= LEAST_NATS
    ]
    return tuple(kept) or (max(components, key=lambda one: worth(one, first)),)


def _worth_of_psi(past: Past, rho: float) -> Callable[[float, Leg], float]:
    def worth(psi: float, leg: Leg) -> float:
        requests = past.traffic * leg.intervals
        served, control = requests * leg.share, requests * (1 - leg.share)
        return relative.information(psi, served=served, served_control=control, rate=past.rate, rho=rho)

    return worth


def _worth_of_alternative(past: Past) -> Callable[[Alternative, Leg], float]:
    def worth(one: Alternative, leg: Leg) -> float:
        served = past.traffic * leg.intervals * leg.share
        return hierarchy.information(one, served=served, calm=past.rate)

    return worth
