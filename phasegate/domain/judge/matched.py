"""One interval's counts of canary and control side by side: all requests, each endpoint, latency."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from phasegate.domain.judge.ladder import Ladder, orderly
from phasegate.domain.judge.tally import Pair
from phasegate.domain.observation import Minute

NONE: Pair = (0, 0)


@dataclass(frozen=True, slots=True)
class Matched:
    """(failed, served) of *canary* and *control* by endpoint, and their latencies if measured."""

    canary: Mapping[str, Pair]
    control: Mapping[str, Pair]
    canary_latency: Ladder | None = None
    control_latency: Ladder | None = None

    @property
    def total(self) -> tuple[Pair, Pair]:
        """Canary and control over all endpoints."""
        return added(self.canary.values()), added(self.control.values())

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Every endpoint that one of them served."""
        return tuple(sorted({*self.canary, *self.control}))


def matched(minute: Minute, *, canary: str, control: str, cuts: Sequence[int]) -> Matched:
    """Sort the counts of *minute*; latency only where every request was measured at every cut."""
    return Matched(
        by_endpoint(minute, canary),
        by_endpoint(minute, control),
        latency(minute, canary, cuts=cuts),
        latency(minute, control, cuts=cuts),
    )


def by_endpoint(minute: Minute, version: str) -> dict[str, Pair]:
    """(failed, served) of *version* by endpoint; scaled-up samples can count more errors than requests."""
    found: dict[str, Pair] = {}
    for counts in minute.counts:
        if counts.version == version:
            bad, total = found.get(counts.endpoint, NONE)
            found[counts.endpoint] = (bad + counts.errors, total + max(counts.total, counts.errors))
    return found


def latency(minute: Minute, version: str, *, cuts: Sequence[int]) -> Ladder | None:
    """How many of *version*'s requests were slower than each cut; None when some were not measured."""
    slow, total = [0] * len(cuts), 0
    for counts in minute.counts:
        if counts.version == version and counts.total:
            known = dict(counts.slow)
            if not known.keys() >= set(cuts):
                return None
            total += counts.total
            slow = [sum_ + known[cut] for sum_, cut in zip(slow, cuts, strict=True)]
    return orderly(slow, total)


def added(pairs: Iterable[Pair]) -> Pair:
    """The sum of some (bad, total)."""
    bad = total = 0
    for some, number in pairs:
        bad, total = bad + some, total + number
    return bad, total
