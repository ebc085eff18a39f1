"""How long nothing has been heard, and whether the canary or the metrics source is quiet."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from phasegate.domain.criteria import Level
from phasegate.domain.judge import words
from phasegate.domain.plan import Phase, RolloutPlan
from phasegate.domain.verdict import Alert, Finding, Reason


@dataclass(frozen=True, slots=True)
class Quiet:
    """
    A silence long enough to speak of; it *holds* when nothing may be promoted any more.

    *instead* says what synthetic requests were answered meanwhile: then it does not hold, and what is
    judged rests on those. They prove nothing unless the plan lets them, saying *why*.
    """

    since: datetime
    until: datetime
    limit: timedelta
    holds: bool
    away_since: datetime | None
    instead: str = ""
    why: str = ""

    @property
    def rule(self) -> str:
        """Who is quiet."""
        if self.instead:
            return "synthetic-only"
        return "source-away" if self.away_since else "silence"


def awaited(phase: Phase) -> bool:
    """Whether requests are expected at all: in production, or under a load test."""
    return phase.takes_traffic or phase.load is not None


def quiet(plan: RolloutPlan, *, heard: datetime, away_since: datetime | None, now: datetime) -> Quiet | None:
    """The silence since the canary was last *heard*, up to where the source is settled; None if short."""
    telemetry, until = plan.telemetry, now - plan.telemetry.settle
    if until - heard < min(telemetry.silence_warns, telemetry.silence_holds):
        return None
    holds = until - heard >= telemetry.silence_holds
    return Quiet(heard, until, telemetry.silence_holds, holds, away_since)


def unheard(found: Quiet) -> Reason:
    """Say who is quiet and since when; never a pass and never a breach."""
    lasted = words.lasting(found.until - found.since)
    return Reason(
        criterion="telemetry",
        finding=Finding.HEALTHY if found.instead and found.why else Finding.INCONCLUSIVE,
        rule=found.rule,
        text=f"{_told(found, lasted)}; {_meaning(found)}",
        value=lasted,
        threshold=f">= {words.lasting(found.limit)}",
        baseline="none: without data nothing is compared",
        bad=0,
        total=0,
        since=found.since,
        until=found.until,
    )


def warn(found: Quiet) -> Alert:
    """The alert of a silence."""
    action = (
        "Look at the metrics source; the health checks still guard the release."
        if found.away_since
        else "Find out why no request reaches the canary."
    )
    return Alert(key=found.rule, level=Level.WARNING, text=unheard(found).text, action=action)


def _told(found: Quiet, lasted: str) -> str:
    if found.away_since:
        return (
            f"the metrics source has not answered since {found.away_since:%H:%M:%S}; "
            f"nothing is known of the canary for {lasted}"
        )
    return f"the canary has served no requests{' of users' if found.instead else ''} for {lasted}"


def _meaning(found: Quiet) -> str:
    if found.instead:
        what = f"which the plan lets prove: {found.why}" if found.why else "which prove no success criterion"
        return f"{found.instead}; this verdict rests on synthetic requests, {what}"
    if found.holds:
        return "no promotion until data returns"
    return f"promotion stops after {words.lasting(found.limit)}"
