"""
The evidence that a canary answers more slowly than its control, interval by interval.

Three kinds of components share the purse: tilts by what a slowdown would look like (.5) and by rank (.1),
which see that everything got slower, and races in the tail (.4), which see that more requests are
slower than a cut. The null of all is a control whose answers all take *times* as long: else a harmless
canary that is 5 % slower would be taken back as soon as there is traffic enough to see it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

from phasegate.domain.judge import relative, slowdown, starts, tilt
from phasegate.domain.judge.course import Course, Leg
from phasegate.domain.judge.ladder import Ladder, empty, shifts
from phasegate.domain.judge.setting import LEAST_NATS, MOST_NATS
from phasegate.domain.judge.starts import Purse

PSIS = (1.5, 2.0, 4.0, 10.0)
# Where the control is hardly ever slow, ten times hardly ever is nothing: these shares are reached as well.
REACHED = (0.01, 0.05)
TAILS = (0.25, 0.10, 0.05, 0.01)
SLOWDOWNS, TILTS = 0.5, 0.1
# What was begun before there were slowdowns goes on without them.
TILTS_ONLY = 0.4
LEAST_KNOWN = 100
# Latency's part of all evidence, from so many answers of the canary in an interval on. Five are worth more
# than a nat when they are twice as slow, fifty twenty: what is given away is made up for at once, while
# errors may take hours to show.
SHARES = ((50, 0.1), (5, 0.3))
SHARE_THIN = 0.5

Race = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Latency:
    """
    What is known of the control's latency, and the stakes of the tilts and races so far.

    *races* are (number of the cut, psi); there are none until the control is *known* by 100 requests.
    *begun* is what was known then, and what the slowdowns are made of.
    """

    known: Ladder
    races: tuple[Race, ...]
    stakes: tuple[float, ...]
    purse: Purse
    running: bool = False
    begun: Ladder | None = None

    @property
    def log_evidence(self) -> float:
        """ln E; at ln(1/alpha) the canary is harmful."""
        return starts.worth(self.stakes, self.purse.cash)


@dataclass(frozen=True, slots=True)
class Rules:
    """The counted *cuts* in milliseconds, which of them are *limits* of the plan, the tolerated *times*."""

    cuts: tuple[int, ...]
    limits: tuple[int, ...]
    times: float
    course: Course


def share(traffic: float, course: Course) -> float:
    """Latency's part of all evidence, fixed at deploy; *traffic* is requests per interval, all versions."""
    answers = traffic * course.legs[0].share
    return next((part for least, part in SHARES if answers >= least), SHARE_THIN)


def begin(rules: Rules, known: Ladder | None = None) -> Latency:
    """No evidence yet; *known* are the control's latencies from before."""
    purse = starts.purse(rules.course.intervals)
    return Latency(known or empty(rules.cuts), (), (), purse)


def raised(before: Latency) -> Latency:
    """The canary's weight was raised."""
    return replace(before, purse=before.purse.step())


def compared(before: Latency, canary: Ladder, control: Ladder, *, rules: Rules) -> Latency:
    """The evidence after one more interval; the control's part of it is known from the next one on."""
    known = before.known + control
    if before.known.total < LEAST_KNOWN or not canary.total or not control.total:
        return replace(before, known=known)
    found = before if before.running else _entered(before, rules, traffic=canary.total + control.total)
    shift = shifts(found.known, rules.cuts, times=rules.times)
    slower = slowdown.scores(found.begun, rules.cuts, rules.times) if found.begun else ()
    ratios = tilt.log_ratios(tilt.BETAS, canary, control, shift=shift, scores=slower)
    ratios += [_log_race(race, canary, control, shift) for race in found.races]
    paid, purse = found.purse.pay()
    shares = shares_of(len(found.races), slowdowns=len(slower))
    stakes = starts.grown(found.stakes, ratios, paid=paid, shares=shares)
    return replace(found, known=known, stakes=stakes, purse=purse)


def shares_of(races: int, *, slowdowns: int) -> tuple[float, ...]:
    """The share of each component: tilts by rank, slowdowns, races."""
    tilts, slower = (TILTS, SLOWDOWNS) if slowdowns else (TILTS_ONLY, 0.0)
    # Without a race the others have all of it.
    whole = 1.0 if races else tilts + slower
    each = (1 - tilts - slower) / max(races, 1)
    return (
        *((tilts / whole / len(tilt.BETAS),) * len(tilt.BETAS)),
        *(slower / whole * one / sum(slowdown.WEIGHTS) for one in slowdown.WEIGHTS[:slowdowns]),
        *((each,) * races),
    )


def _entered(before: Latency, rules: Rules, *, traffic: int) -> Latency:
    """Choose the races: at the plan's limits, and beyond which a quarter, a tenth, ... of the answers are."""
    known, shift = before.known, shifts(before.known, rules.cuts, times=rules.times)
    at = {_nearest(known, tail) for tail in TAILS} | {rules.cuts.index(limit) for limit in rules.limits}
    races = tuple(
        race
        for cut in sorted(at)
        for race in _worthwhile(cut, known.tail(cut), shift[cut], course=rules.course, traffic=traffic)
    )
    slower = slowdown.scores(known, rules.cuts, rules.times)
    stakes = (-inf,) * (len(tilt.BETAS) + len(slower) + len(races))
    return Latency(known, races, stakes, before.purse, running=True, begun=known)


def _nearest(known: Ladder, tail: float) -> int:
    """The cut beyond which the share of requests is closest to *tail*, as a ratio."""
    away = [max(known.tail(cut) / tail, tail / known.tail(cut)) for cut in range(len(known.slow))]
    return away.index(min(away))


def _worthwhile(cut: int, tail: float, shift: float, *, course: Course, traffic: int) -> list[Race]:
    """As for errors: enough in the whole rollout, and of those that decide in one interval the mildest."""
    kept: list[Race] = []
    for psi in (*PSIS, *(share / tail for share in REACHED if share / tail > PSIS[-1])):
        if psi * shift * tail > 1:
            break
        worth = [_worth(psi, tail, shift, leg=leg, traffic=traffic) for leg in course.legs]
        if sum(worth) >= LEAST_NATS:
            kept.append((cut, psi))
        if worth[0] / course.legs[0].intervals > MOST_NATS:
            break
    return kept


def _worth(psi: float, tail: float, shift: float, *, leg: Leg, traffic: int) -> float:
    requests = traffic * leg.intervals
    served, control = requests * leg.share, requests * (1 - leg.share)
    return relative.information(psi * shift, served=served, served_control=control, rate=tail, rho=shift)


def _log_race(race: Race, canary: Ladder, control: Ladder, shift: Sequence[float]) -> float:
    cut, psi = race
    ours, theirs = (canary.slow[cut], canary.total), (control.slow[cut], control.total)
    return relative.log_ratios((psi * shift[cut],), ours, theirs, rho=shift[cut])[0]
