"""What is counted for one metric, and how it is said."""

from dataclasses import dataclass
from datetime import timedelta

from phasegate.domain.criteria import ErrorRateAbove, ErrorRateBelow, LatencyAbove, LatencyBelow
from phasegate.domain.judge import words
from phasegate.domain.judge.tally import ERRORS
from phasegate.domain.quantities import format_duration


@dataclass(frozen=True, slots=True)
class Measure:
    """
    A share of requests and its limit.

    ``slot`` says where a tally counts it; a latency percentile is the share of requests
    slower than a cut, so "P95 > 2000 ms" has the limit .05 at the cut of 2000 ms.
    """

    criterion: str
    slot: int
    limit: float
    sign: str
    said: str
    cut: str = ""

    def told(self, bad: int, total: int) -> str:
        """The counts as a clause: ``failed 14 of 220 requests (6.36 %)``."""
        if not total:
            return "served no requests"
        if self.slot == ERRORS:
            return f"failed {words.share(bad, total)}"
        return f"answered {words.share(bad, total)} slower than {self.cut}"

    @property
    def threshold(self) -> str:
        """The limit with its sign: ``> 1 %``, or ``> 5 % slower than 2s (P95 > 2s)``."""
        plain = f"{self.sign} {words.percent(self.limit)}"
        return plain if self.slot == ERRORS else f"{plain} slower than {self.cut} ({self.said})"


def measure(
    rule: ErrorRateAbove | ErrorRateBelow | LatencyAbove | LatencyBelow, cuts: tuple[int, ...]
) -> Measure:
    """The measure that *rule* of a plan with these latency *cuts* (milliseconds) speaks of."""
    match rule:
        case ErrorRateAbove(above=limit):
            return errors(limit, sign=">")
        case ErrorRateBelow(below=limit):
            return errors(limit, sign="<")
        case LatencyAbove(above=cut):
            return slower(cut, rule.percentile, sign=">", cuts=cuts)
        case LatencyBelow(below=cut):
            return slower(cut, rule.percentile, sign="<", cuts=cuts)


def slower(cut: timedelta, percentile: float, *, sign: str, cuts: tuple[int, ...]) -> Measure:
    """The share of requests slower than *cut*, limited so that it speaks of the *percentile*."""
    slot = 1 + cuts.index(round(cut.total_seconds() * 1000))
    # 1 - 95/100 is not .05 in binary: rounding keeps 5 of 100 at the limit, not above it.
    limit = round((100 - percentile) / 100, 12)
    said = f"P{percentile:g} {sign} {format_duration(cut)}"
    return Measure("latency", slot, limit, sign, said, format_duration(cut))


def errors(limit: float, *, sign: str) -> Measure:
    """The share of failed requests."""
    return Measure("error-rate", ERRORS, limit, sign, f"error rate {sign} {words.percent(limit)}")
