"""Synthetic requests: sent when users are too few to judge by, and kept apart from theirs."""

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from phasegate.domain.criteria import Rule
from phasegate.domain.happening import Happening
from phasegate.domain.observation import Counts, Minute
from phasegate.domain.quantities import Duration
from phasegate.domain.quantities import format_duration as said

if TYPE_CHECKING:
    from phasegate.domain.phase import Phase
    from phasegate.domain.plan import RolloutPlan

# RFC 9110 section 9.2.1: methods whose requests ask for no change of the service.
SAFE = ("GET", "HEAD", "OPTIONS")
# What each of our requests to a service says it is, so that metrics can tell it from those of users.
USER_AGENT = "phasegate"
Place = tuple[str | int, ...]


class When(StrEnum):
    """When synthetic requests are sent at all."""

    TRAFFIC_TOO_LOW = "traffic-too-low"
    NEVER = "never"


class SyntheticRequest(Rule):
    """One request that is sent to both versions alike, and the answer that it must get."""

    method: Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] = Field(
        default="GET", description="Others than GET, HEAD and OPTIONS need the words of `writes`."
    )
    path: str = Field(pattern=r"^/[^\s#]*$", description="Path and query on the service.")
    body: str = Field(default="", description="Sent as it is, as application/json.")
    status: int = Field(default=200, ge=100, le=499, description="The HTTP status that it must get.")


class Synthetic(Rule):
    """
    Requests of our own to the canary, and the same to its control, while users are too few.

    They are counted apart from those of users, may show harm and end a silence, and prove nothing
    unless the plan says so in words.
    """

    when: When = Field(default=When.TRAFFIC_TOO_LOW, description="never: not in this phase.")
    requests: tuple[SyntheticRequest, ...] = Field(default=(), description="Sent in turn, over and over.")
    rate: float | None = Field(default=None, gt=0, le=10, description="Requests a second to each version.")
    ceiling: int | None = Field(
        default=None, ge=1, le=100_000, description="The most requests of one phase, both versions together."
    )
    limit: Duration | None = Field(
        default=None, description="None is sent any more this long after the first of a phase."
    )
    within: Duration = Field(
        default=timedelta(seconds=1), description="An answer that takes longer is a failure."
    )
    writes: str = Field(
        default="", description="What the requests change in the service and why that does no harm, in words."
    )
    proves: str = Field(
        default="",
        description="Why answers to these requests may prove the success criteria, in words; "
        "without them they never do.",
    )

    def pairs(self, interval: timedelta) -> int:
        """How many requests each version gets in one *interval*."""
        return int((self.rate or 0) * interval.total_seconds() + 1e-9)


class SyntheticSending(Happening):
    """Synthetic requests begin to be sent in a phase, or are not sent any more."""

    kind: Literal["synthetic-sending"] = "synthetic-sending"
    phase: str
    sending: bool
    because: str


def synthetic_in(plan: "RolloutPlan", phase: "Phase") -> Synthetic | None:
    """What *phase* may send: its own, else the plan's; None where nothing is sent."""
    given = phase.synthetic or plan.synthetic
    return given if given and given.when is not When.NEVER and phase.has_control else None


def unsafe_synthetic(plan: "RolloutPlan") -> Iterator[tuple[Place, str]]:
    """Why the synthetic requests of *plan* must not be sent: the way to the field, and what is allowed."""
    given: list[tuple[Place, Synthetic]] = [(("synthetic",), plan.synthetic)] if plan.synthetic else []
    if plan.synthetic and not any(phase.has_control for phase in plan.phases):
        yield ("synthetic",), "no phase above 0 and below 100 %; allowed: one at least, or null"
    for index, phase in enumerate(plan.phases):
        if phase.synthetic is None:
            continue
        place: Place = ("phases", index, "synthetic")
        given.append((place, phase.synthetic))
        if phase.synthetic.when is not When.NEVER and not phase.has_control:
            yield (
                place,
                f"at {phase.weight:g} % of {phase.environment}; allowed: production above 0 and below 100 %, "
                "where both versions can be asked",
            )
    for place, synthetic in given:
        if synthetic.when is not When.NEVER:
            yield from (((*place, *field), says) for field, says in _unsafe(synthetic, plan))


def _unsafe(synthetic: Synthetic, plan: "RolloutPlan") -> Iterator[tuple[Place, str]]:
    if not synthetic.requests:
        yield ("requests",), "0 requests; allowed: at least 1"
    for index, request in enumerate(synthetic.requests):
        if request.method not in SAFE and not synthetic.writes:
            yield (
                ("requests", index, "method"),
                f"{request.method} without `writes`; allowed: {', '.join(SAFE)}, or a sentence in `writes` "
                "that says what it changes",
            )
    yield from _unbounded(synthetic, plan)
    settle = plan.telemetry.settle
    # What was sent in an interval must be known before users are judged by it.
    if not timedelta(0) < synthetic.within <= settle / 2:
        yield (
            ("within",),
            f"{said(synthetic.within)} while intervals settle after {said(settle)}; "
            f"allowed: more than 0s, at most half of that, {said(settle / 2)}",
        )


def _unbounded(synthetic: Synthetic, plan: "RolloutPlan") -> Iterator[tuple[Place, str]]:
    interval = plan.interval
    if synthetic.rate is None:
        yield ("rate",), "none; allowed: requests a second to each version, more than 0, at most 10"
    elif not synthetic.pairs(interval):
        least = 1 / interval.total_seconds()
        yield ("rate",), f"{synthetic.rate:g} a second; allowed: at least {least:g}, one in each interval"
    least_sent = 2 * synthetic.pairs(interval)
    if synthetic.ceiling is None:
        yield (
            ("ceiling",),
            f"none with a rate of {synthetic.rate or 0:g} a second; allowed: a number of requests, "
            "at most 100000",
        )
    elif synthetic.ceiling < least_sent:
        yield (
            ("ceiling",),
            f"{synthetic.ceiling} while one interval sends {least_sent}; allowed: at least {least_sent}",
        )
    if synthetic.limit is None:
        yield ("limit",), "none; allowed: a duration such as 1h"
    elif synthetic.limit < interval:
        yield ("limit",), f"{said(synthetic.limit)}; allowed: at least {said(interval)}, one interval"


def apart(minute: Minute, own: Minute) -> Minute:
    """
    *minute* without the requests of our own that the same source counted in it.

    *own* holds what carried our mark. Both count stored rows, each by its own sampling. What was
    taken out stands in ``own``.
    """
    scale = own.sampling / minute.sampling
    mine = {(counts.version, counts.endpoint): _scaled(counts, scale) for counts in own.counts}
    left = (_less(counts, mine.get((counts.version, counts.endpoint))) for counts in minute.counts)
    return minute.model_copy(
        update={
            "counts": tuple(counts for counts in left if counts.total),
            "unattributed": max(minute.unattributed - round(scale * own.unattributed), 0),
            "own": tuple(mine.values()),
        }
    )


def withheld(minute: Minute) -> Minute:
    """*minute* where our own requests cannot be told from those of users: nobody is judged by it."""
    lost = sum(counts.total for counts in minute.counts)
    query = f"{minute.query}; left out: synthetic requests were sent and none was recognised"
    return minute.model_copy(
        update={"counts": (), "unattributed": minute.unattributed + lost, "query": query}
    )


def _scaled(counts: Counts, scale: float) -> Counts:
    slow = tuple((cut, round(scale * number)) for cut, number in counts.slow)
    changes = {"total": round(scale * counts.total), "errors": round(scale * counts.errors), "slow": slow}
    return counts.model_copy(update=changes)


def _less(counts: Counts, mine: Counts | None) -> Counts:
    if mine is None:
        return counts
    total, slower = max(counts.total - mine.total, 0), dict(mine.slow)
    slow = tuple((cut, min(max(number - slower.get(cut, 0), 0), total)) for cut, number in counts.slow)
    errors = min(max(counts.errors - mine.errors, 0), total)
    return counts.model_copy(update={"total": total, "errors": errors, "slow": slow})
