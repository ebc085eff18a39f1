"""What a service serves now: its traffic, from the metrics source alone."""

from datetime import datetime, timedelta

from phasegate.actions.collecting import floor
from phasegate.domain.errors import Refused
from phasegate.domain.judge.outlook import Traffic
from phasegate.domain.judge.power import base_rate
from phasegate.domain.judge.tally import Tally, nothing, tally
from phasegate.domain.observation import Minute
from phasegate.domain.plan import RolloutPlan
from phasegate.domain.quantities import format_duration
from phasegate.ports import Metrics

# Each bucket costs several queries, so that a day is asked for in as few as an hour is.
_BUCKETS = 12


async def measure_traffic(
    metrics: Metrics, service: str, *, plan: RolloutPlan, now: datetime, span: timedelta
) -> Traffic:
    """
    What *service* served in the *span* before *now*: rate, failed share, slow share at each cut of *plan*.

    Raises MetricsAway when the source does not answer, Refused when nothing was served.
    """
    bucket = max(span / _BUCKETS, plan.interval)
    begin = floor(now - plan.telemetry.settle - span, timedelta(seconds=1))
    minutes = await _read(metrics, service, plan=plan, now=now, begin=begin, bucket=bucket)
    served = sum((_all(minute, plan.cuts) for minute in minutes), start=nothing(plan.cuts))
    watched = sum((minute.length for minute in minutes), timedelta(0))
    if not served.served:
        raise Refused(
            f"{service} served nothing in the last {format_duration(span)}; "
            "look further back with --hours, or say what it serves with --traffic"
        )
    return _traffic(served, watched, plan=plan, service=service)


async def _read(
    metrics: Metrics, service: str, *, plan: RolloutPlan, now: datetime, begin: datetime, bucket: timedelta
) -> tuple[Minute, ...]:
    """A call brings a bounded number of intervals; it is called again until one brings nothing new."""
    minutes: tuple[Minute, ...] = ()
    while True:
        since = minutes[-1].end if minutes else begin
        batch = await metrics.collect(
            service, since=since, now=now, interval=bucket, settle=plan.telemetry.settle, cuts=plan.cuts
        )
        if not batch.minutes:
            return minutes
        minutes = (*minutes, *batch.minutes)


def _all(minute: Minute, cuts: tuple[int, ...]) -> Tally:
    versions = {counts.version for counts in minute.counts}
    return sum((tally(minute, version, cuts=cuts) for version in versions), start=nothing(cuts))


def _traffic(served: Tally, watched: timedelta, *, plan: RolloutPlan, service: str) -> Traffic:
    failed, total = served.pairs[0]
    rates = zip(plan.cuts, served.pairs[1:], strict=True)
    told = f"{total:,} requests in {format_duration(watched)}, {failed:,} failed"
    return Traffic(
        rps=total / watched.total_seconds(),
        errors=base_rate(failed, total),
        slow={cut: base_rate(slow, measured) for cut, (slow, measured) in rates if measured},
        source=f"measured: {service} served {told}",
    )
