"""What one version answered, as (bad, total) for everything that is counted."""

from collections.abc import Iterable
from dataclasses import dataclass

from phasegate.domain.observation import Counts, Minute

Pair = tuple[int, int]
ERRORS = 0
NAMED = 8


@dataclass(frozen=True, slots=True)
class Tally:
    """
    ``pairs[0]`` is (failed, served); ``pairs[1 + i]`` is (slower than cut i, measured at cut i).

    Requests whose counts do not name a cut were not measured there: they are in no total of it.
    """

    pairs: tuple[Pair, ...]

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(tuple((a + c, b + d) for (a, b), (c, d) in zip(self.pairs, other.pairs, strict=True)))

    @property
    def served(self) -> int:
        """Requests that were served."""
        return self.pairs[ERRORS][1]

    def flat(self) -> list[int]:
        """The numbers in a row, for storing."""
        return [number for pair in self.pairs for number in pair]


def nothing(cuts: tuple[int, ...]) -> Tally:
    """A tally of no requests at all."""
    return Tally(((0, 0),) * (1 + len(cuts)))


def unflat(numbers: list[int]) -> Tally:
    """Read what :meth:`Tally.flat` wrote."""
    return Tally(tuple(zip(numbers[::2], numbers[1::2], strict=True)))


def tally(minute: Minute, version: str, *, cuts: tuple[int, ...]) -> Tally:
    """Add up what *version* served in *minute* over all endpoints."""
    found = (Tally(_pairs(counts, cuts)) for counts in minute.counts if counts.version == version)
    return sum(found, start=nothing(cuts))


def blame(minute: Minute, version: str, *, cuts: tuple[int, ...]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The endpoints with the most bad requests and how many, slot by slot; at most eight, worst first."""
    bad: dict[str, tuple[int, ...]] = {}
    for counts in minute.counts:
        if counts.version == version:
            found = tuple(pair[0] for pair in _pairs(counts, cuts))
            bad[counts.endpoint] = _added(bad.get(counts.endpoint, (0,) * len(found)), found)
    worst = sorted(bad.items(), key=lambda item: (-sum(item[1]), item[0]))
    return tuple((endpoint, numbers) for endpoint, numbers in worst[:NAMED] if any(numbers))


def _pairs(counts: Counts, cuts: tuple[int, ...]) -> tuple[Pair, ...]:
    # Scaled-up samples can count more errors than requests; those were served as well.
    total = max(counts.total, counts.errors)
    slow = dict(counts.slow)
    return ((counts.errors, total), *(_measured(slow.get(cut), total) for cut in cuts))


def _measured(slower: int | None, total: int) -> Pair:
    return (0, 0) if slower is None else (slower, max(total, slower))


def _added(one: Iterable[int], two: Iterable[int]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, two, strict=True))
