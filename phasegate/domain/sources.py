"""Two sources that count the same requests: what the second may say, and when they disagree."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from phasegate.domain.criteria import Rule
from phasegate.domain.happening import Happening
from phasegate.domain.quantities import Duration


class CrossCheck(Rule):
    """How the second source of metrics is compared with the first: it may accuse, it never acquits."""

    every: Duration = Field(default=timedelta(minutes=1), description="How often it is asked.")
    settle: Duration = Field(
        default=timedelta(minutes=3), description="It lags: what is younger than this is not compared."
    )
    differ: float = Field(
        default=10, gt=0, le=100, description="By how many percent the counts may differ before it is said."
    )
    at_least: int = Field(default=200, ge=1, description="Fewer requests of a version are not compared.")


class Invocations(BaseModel):
    """
    What the second source counted of one version: estimates of all requests, sampled or not.

    ``errors`` are invocations that failed; a Worker that answered 500 succeeded. One counted
    row stands for ``sampling`` requests. ``wall`` is the ``quantile`` of the wall time in
    milliseconds, when the source has one.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    requests: int = Field(ge=0)
    errors: int = Field(ge=0)
    sampling: float = Field(default=1.0, ge=1)
    quantile: str = ""
    wall: float | None = None


class Compared(BaseModel):
    """One version as the first source counted it, beside the second."""

    model_config = ConfigDict(frozen=True)

    version: str
    requests: int
    errors: int
    second: Invocations


class CrossChecked(Happening):
    """Both sources over the same time; ``differences`` are sentences, none when they agree."""

    kind: Literal["cross-checked"] = "cross-checked"
    phase: str
    since: datetime
    until: datetime
    rows: tuple[Compared, ...]
    differences: tuple[str, ...] = ()
    query: str = ""


class SyntheticChecked(Happening):
    """
    Our own requests as telemetry counted them, beside what their sender saw of the same intervals.

    ``second`` of a row is the sender's count of what was answered; its errors are all answers but the
    one asked for, and none. Health checks are in both.
    """

    kind: Literal["synthetic-checked"] = "synthetic-checked"
    phase: str
    since: datetime
    until: datetime
    rows: tuple[Compared, ...]
    differences: tuple[str, ...] = ()


def differences(
    rows: tuple[Compared, ...], rule: CrossCheck, *, labels: Mapping[str, str]
) -> tuple[str, ...]:
    """What the two sources say differently about *rows*, in sentences; *labels* names the versions."""
    return tuple(text for row in rows for text in _row(row, rule, labels.get(row.version) or row.version[:8]))


def synthetic_differences(rows: tuple[Compared, ...], *, labels: Mapping[str, str]) -> tuple[str, ...]:
    """What telemetry says differently about our own requests than their sender, in sentences."""
    return tuple(text for row in rows for text in _synthetic(row, labels.get(row.version) or row.version[:8]))


def _synthetic(row: Compared, label: str) -> Iterator[str]:
    answered, seen, failed = row.second.requests, row.requests, row.second.errors
    # Stored rows are a sample: four standard errors are no news, and an answer may cross an interval's end.
    slack = 2 + 4 * (answered * (row.second.sampling - 1)) ** 0.5
    if not answered - slack <= seen <= answered + failed + slack:
        yield f"{label}: it answered {answered:,} requests of ours, telemetry counted {seen:,} of them"
    if failed > row.errors + slack:
        yield (
            f"{label}: {failed:,} of {answered:,} requests of ours did not get the answer asked for, "
            f"telemetry counted {row.errors:,} failed"
        )


def _row(row: Compared, rule: CrossCheck, label: str) -> Iterator[str]:
    most = max(row.requests, row.second.requests)
    if most < rule.at_least:
        return
    off = abs(row.requests - row.second.requests)
    # Two windows never begin and end with the same request: four standard errors are no news.
    if off > rule.differ / 100 * most + 4 * most**0.5:
        yield (
            f"{label}: telemetry counted {row.requests:,} requests, the second source "
            f"{row.second.requests:,} in the same time"
        )
    # Telemetry's errors include answers of 500 and above, so they can only be more.
    if row.second.errors > row.errors + max(3.0, 4 * row.second.errors**0.5):
        yield (
            f"{label}: the second source counted {row.second.errors:,} failed invocations, "
            f"telemetry only {row.errors:,} failed requests"
        )
