"""One stream of counts under comparison, with how it is told and stored."""

from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any

from phasegate.domain.judge import comparison
from phasegate.domain.judge.climate import Belief, Climate, Pace, certain
from phasegate.domain.judge.comparison import Comparison
from phasegate.domain.judge.dispersion import Following, Scatter
from phasegate.domain.judge.hierarchy import ALTERNATIVES, Climates
from phasegate.domain.judge.matched import NONE, added
from phasegate.domain.judge.setting import TIMES_BEFORE, Setting
from phasegate.domain.judge.span import UNSUSPECTED, Span
from phasegate.domain.judge.starts import Purse
from phasegate.domain.judge.tally import Pair

_CLIMATE = 4  # numbers


@dataclass(frozen=True, slots=True)
class Stream:
    """How it is compared, the evidence so far, the counts of both arms, and the span that is told."""

    how: Setting
    found: Comparison
    canary: Pair = NONE
    control: Pair = NONE
    span: Span = UNSUSPECTED

    @property
    def log_evidence(self) -> float:
        """ln E."""
        return comparison.log_evidence(self.found, how=self.how)

    def add(self, start: datetime, canary: Pair, control: Pair) -> "Stream":
        """Take one interval."""
        found = comparison.compared(self.found, canary, control, how=self.how)
        if not canary[1] or not control[1]:
            return Stream(self.how, found, self.canary, self.control, self.span)
        return Stream(
            self.how,
            found,
            added((self.canary, canary)),
            added((self.control, control)),
            self.span.add(start, canary, control),
        )

    def raised(self) -> "Stream":
        """The canary's weight was raised."""
        return Stream(self.how, comparison.raised(self.found), self.canary, self.control, self.span)


def begin(how: Setting) -> Stream:
    """Nothing compared yet."""
    return Stream(how, comparison.begin(how))


def state(stream: Stream) -> list[Any]:
    """As plain values; a stake of nothing is None."""
    how, found = stream.how, stream.found
    return [
        [list(how.psis), [ALTERNATIVES.index(one) for one in how.alternatives]],
        [how.v, how.rho, how.intervals, *_flat(how.prior), how.times],
        _scatter_state(how.scatter),
        [stakes(found.relative), stakes(found.hierarchy)],
        [*_flat(found.climates.both), *_flat(found.climates.control)],
        purse_state(found.purse),
        _scatter_state(found.scatter),
        [*stream.canary, *stream.control],
        stream.span.state(),
    ]


def load(written: list[Any], *, each: Pace) -> Stream:
    """Read what :func:`state` wrote."""
    picked, numbers, before, held, climates, purse, scatter, counts, span = written
    v, rho, intervals, *prior = numbers
    # Before a history could be outdated there was one climate, and no factor of its own.
    times = prior.pop() if len(prior) > _CLIMATE else TIMES_BEFORE
    half = len(climates) // 2
    how = Setting(
        psis=tuple(picked[0]),
        alternatives=tuple(ALTERNATIVES[at] for at in picked[1]),
        v=v,
        rho=rho,
        scatter=_scatter(before),
        prior=_belief(prior),
        each=each,
        intervals=intervals,
        times=times,
    )
    found = Comparison(
        relative=unstaked(held[0]),
        hierarchy=unstaked(held[1]),
        climates=Climates(_belief(climates[:half]), _belief(climates[half:])),
        purse=Purse(*purse),
        scatter=_scatter(scatter),
    )
    return Stream(how, found, (counts[0], counts[1]), (counts[2], counts[3]), Span.load(span))


def stakes(values: tuple[float, ...]) -> list[float | None]:
    """JSON has no infinity."""
    return [None if value == -inf else value for value in values]


def unstaked(values: list[float | None]) -> tuple[float, ...]:
    """Read what :func:`stakes` wrote."""
    return tuple(-inf if value is None else value for value in values)


def purse_state(purse: Purse) -> list[Any]:
    """In the order of its fields."""
    return [purse.each, purse.due, purse.left, purse.cash, purse.stepped]


def _flat(belief: Belief) -> list[float]:
    return [number for chance, one in belief.histories for number in (one.a, one.b, *one.bursts, chance)]


def _belief(numbers: list[float]) -> Belief:
    if len(numbers) == _CLIMATE:
        return certain(_climate(numbers))
    parts = (numbers[at : at + _CLIMATE + 1] for at in range(0, len(numbers), _CLIMATE + 1))
    return Belief(tuple((chance, _climate(climate)) for *climate, chance in parts))


def _climate(numbers: list[float]) -> Climate:
    a, b, sharp, mild = numbers
    return Climate(a, b, (sharp, mild))


def _scatter_state(one: Following) -> list[Any]:
    sums = one.scatter
    return [
        [sums.errors, sums.seen, sums.expected, sums.variance],
        one.most,
        list(one.half) if one.half else None,
        [list(half) for half in one.last] if one.last else None,
        one.burst,
    ]


def _scatter(state: list[Any]) -> Following:
    sums, most, half, last, burst = state
    waiting = ((last[0][0], last[0][1]), (last[1][0], last[1][1])) if last else None
    return Following(Scatter(*sums), most, (half[0], half[1]) if half else None, waiting, burst)
