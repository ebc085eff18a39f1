"""Sums per group -> counts per version and endpoint, with what fell out of the groups named as such."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from phasegate.adapters.cloudflare.endpoints import OTHER, endpoint
from phasegate.adapters.cloudflare.queries import (
    METHOD,
    OUTCOME,
    ROUTE,
    STATUS,
    VERSION,
    WALL_TIME,
    Keys,
    Sums,
)
from phasegate.domain.observation import Counts

BY_ANSWER = (VERSION, METHOD, ROUTE, STATUS, OUTCOME)
BY_EACH = (*BY_ANSWER, WALL_TIME)
BY_ENDPOINT = (VERSION, METHOD, ROUTE)
BY_OUTCOME = (VERSION, OUTCOME)
BY_VERSION = (VERSION,)
# A client that hung up says nothing about the version that was serving it.
_FINE = frozenset({"ok", "canceled", "responseStreamDisconnected"})


@dataclass(frozen=True)
class Leftovers:
    """
    The same interval with fewer group keys, asked when the full groups do not add up.

    An invocation that threw has no answer and so no status; a service with ids in its
    paths has more groups than an answer holds. Both still have a version.
    """

    outcomes: Sums
    failed: Sums
    slow: Mapping[int, Sums]


@dataclass(frozen=True)
class Interval:
    """Everything that was read about one interval; ``slow`` by cut in milliseconds."""

    total: Sums
    answers: Sums
    slow: Mapping[int, Sums]
    left: Leftovers | None = None

    @property
    def incomplete(self) -> bool:
        """Whether events are missing from the groups."""
        return self.total.total - self.answers.total >= 0.5

    @property
    def sampling(self) -> float:
        """
        How many events one stored row stands for, at the coarsest of the queries.

        One divisor for the whole interval: both arms and all cuts keep their ratios.
        """
        sums = [self.total, self.answers, *self.slow.values()]
        if self.left:
            sums += [self.left.outcomes, self.left.failed, *self.left.slow.values()]
        return max(each.sampling for each in sums)


def told_by_each(total: Sums, each: Sums, cuts: tuple[int, ...]) -> Interval | None:
    """
    The interval from groups that also go by wall time (`BY_EACH`); None when they do not hold every event.

    What is slower than a cut needs no query of its own then.
    """
    answers: dict[Keys, float] = defaultdict(float)
    slow: dict[int, dict[Keys, float]] = {cut: defaultdict(float) for cut in cuts}
    if any(not key[-1] for key in each.groups):
        return None
    for (version, method, path, status, outcome, took), events in each.groups.items():
        answers[version, method, path, status, outcome] += events
        for cut in cuts:
            if float(took) > cut:
                slow[cut][version, method, path] += events
    found = Interval(
        total=total,
        answers=Sums(groups=answers, sampling=each.sampling),
        slow={cut: Sums(groups=groups, sampling=each.sampling) for cut, groups in slow.items()},
    )
    return None if found.incomplete else found


@dataclass
class _Tally:
    total: float = 0.0
    errors: float = 0.0
    slow: dict[int, float] = field(default_factory=lambda: defaultdict(float))


_Tallies = dict[tuple[str, str], _Tally]


def counts_of(interval: Interval) -> tuple[Counts, ...]:
    """
    What each version answered on each endpoint, as rows really stored.

    Estimates are divided by the sampling: an estimate taken at face value would claim
    evidence that nobody has. What has a version and no endpoint is ``(other)``.
    """
    tallies: _Tallies = defaultdict(_Tally)
    _add_answers(tallies, interval.answers)
    _add_slow(tallies, interval.slow)
    if interval.left:
        for version, rest in _rests(interval.left, tallies):
            tallies[version, OTHER] = rest
    return tuple(
        _counts(version, name, tally, interval=interval)
        for (version, name), tally in sorted(tallies.items())
        if version and tally.total >= 0.5
    )


def unattributed(interval: Interval, counts: tuple[Counts, ...]) -> int:
    """Stored rows that named no version."""
    seen = round(interval.total.total / interval.sampling)
    return max(seen - sum(count.total for count in counts), 0)


def _add_answers(tallies: _Tallies, answers: Sums) -> None:
    for (version, method, path, status, outcome), events in answers.groups.items():
        tally = tallies[version, endpoint(method, path)]
        tally.total += events
        tally.errors += events if outcome not in _FINE or _is_failure(status) else 0.0


def _add_slow(tallies: _Tallies, slow: Mapping[int, Sums]) -> None:
    for cut, sums in slow.items():
        for (version, method, path), events in sums.groups.items():
            tallies[version, endpoint(method, path)].slow[cut] += events
        # An endpoint whose answers were cut off keeps no slow ones: they belong to the rest.
        for tally in tallies.values():
            tally.slow[cut] = min(tally.slow[cut], tally.total)


def _is_failure(status: str) -> bool:
    return status.isdigit() and int(status) >= 500


def _rests(left: Leftovers, tallies: _Tallies) -> Iterator[tuple[str, _Tally]]:
    for version in sorted({name for name, _ in left.outcomes.groups}):
        known = [tally for (name, _), tally in tallies.items() if name == version]
        rest = _whole(left, version)
        rest.total -= sum(tally.total for tally in known)
        rest.errors -= sum(tally.errors for tally in known)
        for cut in rest.slow:
            rest.slow[cut] -= sum(tally.slow.get(cut, 0.0) for tally in known)
        if rest.total >= 0.5:
            yield version, rest


def _whole(left: Leftovers, version: str) -> _Tally:
    threw = sum(n for (name, how), n in left.outcomes.groups.items() if name == version and how not in _FINE)
    answered = sum(n for (name, how), n in left.failed.groups.items() if name == version and how in _FINE)
    return _Tally(
        total=sum(n for (name, _), n in left.outcomes.groups.items() if name == version),
        errors=threw + answered,
        slow={cut: each.groups.get((version,), 0.0) for cut, each in left.slow.items()},
    )


def _counts(version: str, name: str, tally: _Tally, *, interval: Interval) -> Counts:
    total = round(tally.total / interval.sampling)

    def rows(events: float) -> int:
        return min(max(round(events / interval.sampling), 0), total)

    slow = tuple((cut, rows(tally.slow.get(cut, 0.0))) for cut in sorted(interval.slow))
    return Counts(version=version, endpoint=name, total=total, errors=rows(tally.errors), slow=slow)
