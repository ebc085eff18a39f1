"""
The evidence that a canary answers more slowly than its control, interval by interval.

Three kinds of components share the purse: by what a slowdown of all answers would look like (.7), by
what one of a part of them would (.2), and by rank (.1), which needs no history. The null of all is a
control whose answers all take *times* as long: else a harmless canary that is 5 % slower would be
taken back as soon as there is traffic enough to see it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

from phasegate.domain.judge import relative, slowdown, starts, tilt
from phasegate.domain.judge.course import Course
from phasegate.domain.judge.ladder import Ladder, empty, odds, shifts
from phasegate.domain.judge.starts import Purse

SLOWDOWNS, TAILS, TILTS = 0.7, 0.2, 0.1
# What was begun with races in the tail goes on with them, and what was begun without slowdowns without those.
SLOWDOWNS_RACED, TILTS_ONLY = 0.5, 0.4
LEAST_KNOWN = 100
# Latency's part of all evidence, from so many answers of the canary in an interval on. Five are worth more
# than a nat when they are twice as slow, fifty twenty: what is given away is made up for at once, while
# errors may take hours to show.
SHARES = ((50, 0.1), (5, 0.3))
SHARE_THIN = 0.4

Race = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Latency:
    """
    What is known of the control's latency, and the stakes of the components so far.

    Nothing is compared until the control is *known* by 100 requests. *begun* is what was known then, and
    what slowdowns and tails are made of. *races* are (number of the cut, psi), in what was begun with them.
    """

    known: Ladder
    races: tuple[Race, ...]
    stakes: tuple[float, ...]
    purse: Purse
    running: bool = False
    begun: Ladder | None = None

    @property
    def raced(self) -> bool:
        """Whether it was begun when there were races, and perhaps no slowdowns."""
        return bool(self.races) or self.begun is None

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
    found = before if before.running else _entered(before, rules)
    shift = shifts(found.known, rules.cuts, times=rules.times)
    dealt = tilt.dealt(canary, control, shift=shift)
    ranked, made = tilt.ranked(tilt.BETAS, dealt), made_of(found.begun, rules)
    if found.raced or len(found.stakes) < len(ranked) + sum(map(len, made)):
        ratios = tilt.bounded((*ranked, *made[0]), dealt)
        ratios += [_log_race(race, canary, control, shift) for race in found.races]
        shares = shares_raced(len(found.races), slowdowns=len(made[0]))
    else:
        ratios = tilt.drawn((*ranked, *made[0]), dealt) + tilt.rare(
            made[1], dealt, odds=odds(found.known, shift)
        )
        shares = shares_of(*map(len, made))
    paid, purse = found.purse.pay()
    stakes = starts.grown(found.stakes, ratios, paid=paid, shares=shares)
    return replace(found, known=known, stakes=stakes, purse=purse)


def made_of(begun: Ladder | None, rules: Rules) -> tuple[tuple[slowdown.Scores, ...], ...]:
    """The scores of the slowdowns and those of the tails."""
    if begun is None:
        return (), ()
    known = begun, rules.cuts, rules.times
    return slowdown.scores(*known), slowdown.tails(*known)


def shares_of(slowdowns: int, tails: int) -> tuple[float, ...]:
    """The share of each component: tilts by rank, slowdowns, tails; a single cut has only tilts."""
    tilts = TILTS if slowdowns else 1.0
    return (
        *((tilts / len(tilt.BETAS),) * len(tilt.BETAS)),
        *_weighed(SLOWDOWNS, slowdowns),
        *((TAILS / max(tails, 1),) * tails),
    )


def shares_raced(races: int, *, slowdowns: int) -> tuple[float, ...]:
    """What the shares were while there were races: tilts by rank, slowdowns, races."""
    tilts, slower = (TILTS, SLOWDOWNS_RACED) if slowdowns else (TILTS_ONLY, 0.0)
    # Without a race the others have all of it.
    whole = 1.0 if races else tilts + slower
    each = (1 - tilts - slower) / max(races, 1)
    return (
        *((tilts / whole / len(tilt.BETAS),) * len(tilt.BETAS)),
        *_weighed(slower / whole, slowdowns),
        *((each,) * races),
    )


def _weighed(share: float, slowdowns: int) -> tuple[float, ...]:
    return tuple(share * one / sum(slowdown.WEIGHTS) for one in slowdown.WEIGHTS[:slowdowns])


def _entered(before: Latency, rules: Rules) -> Latency:
    made = made_of(before.known, rules)
    stakes = (-inf,) * (len(tilt.BETAS) + sum(map(len, made)))
    return Latency(before.known, (), stakes, before.purse, running=True, begun=before.known)


def _log_race(race: Race, canary: Ladder, control: Ladder, shift: Sequence[float]) -> float:
    cut, psi = race
    ours, theirs = (canary.slow[cut], canary.total), (control.slow[cut], control.total)
    return relative.log_ratios((psi * shift[cut],), ours, theirs, rho=shift[cut])[0]
