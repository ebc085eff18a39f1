"""What a plan can see at a traffic, in words and as a table for the terminal."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from math import exp
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from phasegate.domain.judge import words
from phasegate.domain.judge.absolute import INTERVALS
from phasegate.domain.judge.outlook import Guard, Outlook, Rate, Showing, Traffic
from phasegate.domain.judge.power import Sight
from phasegate.domain.phase import LowTraffic
from phasegate.domain.plan import RolloutPlan
from phasegate.domain.quantities import format_duration, format_rate

_UNLIKELY = 0.01


def outlook_tables(plan: RolloutPlan, traffic: Traffic, seen: tuple[Outlook, ...]) -> tuple[Table, ...]:
    """What each phase sees and proves, one row for each rate; and when its limits can fire."""
    about = f"{plan.name} at {traffic.rps:,.4g} requests/s, {format_rate(traffic.errors)} of them failing"
    rates = _table(
        f"{about} ({traffic.source})",
        (
            "phase",
            "canary's requests",
            "criterion",
            "from",
            "rise seen by the end",
            "harm shows after",
            "proved after",
            "when clean",
        ),
        [(one.phase.name, _served(one), *_rate_cells(rate)) for one in seen for rate in one.rates],
    )
    limits = _table(
        "when a limit can take the version back",
        ("phase", "limit", "soonest", "1 interval", "5 intervals", "15 intervals"),
        [(one.phase.name, *_guard_cells(guard)) for one in seen for guard in one.guards],
    )
    return rates, limits


def _table(title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE)
    for heading in heads:
        table.add_column(heading, overflow="fold")
    before = ""
    for name, *cells in rows:
        if before and name != before:
            table.add_section()
        table.add_row("" if name == before else name, *cells)
        before = name
    return table


def warnings(plan: RolloutPlan, seen: tuple[Outlook, ...]) -> tuple[str, ...]:
    """What the plan will not see or not prove at this traffic, each with its numbers."""
    return tuple(f"{one.phase.name}: {text}" for one in seen for text in _phase_warnings(plan, one))


def as_data(plan: RolloutPlan, traffic: Traffic, seen: tuple[Outlook, ...]) -> dict[str, Any]:
    """The same as plain values: seconds for times, fractions for rates."""
    return {
        "plan": plan.name,
        "traffic": {**asdict(traffic), "slow": {str(cut): rate for cut, rate in traffic.slow.items()}},
        "phases": [_phase_data(one) for one in seen],
        "warnings": list(warnings(plan, seen)),
    }


def sight_words(seen: Sight) -> str:
    """What would be seen: ``0.607 % in half of releases, 1.11 % in 95 %``."""
    if seen.median is None:
        return "nothing: not even a version that always fails"
    likely = "not even 100 %" if seen.likely is None else words.percent(seen.likely)
    return f"{words.percent(seen.median)} in half of releases, {likely} in 95 %"


def _served(one: Outlook) -> str:
    return f"{words.count(round(one.requests))} in {format_duration(one.judged)}"


def _rate_cells(rate: Rate) -> tuple[str, ...]:
    seen = "no control to compare with" if rate.seen is None else sight_words(rate.seen)
    clean = rate.proving.clean
    return (
        rate.measure.said,
        words.percent(rate.base),
        seen,
        _showing_words(rate),
        _proof_words(rate),
        "never" if clean is None else f"{words.count(clean)} requests",
    )


def _showing_words(rate: Rate) -> str:
    showing = rate.showing
    if showing is None:
        return "-"
    late = "" if showing.in_time else ", too late"
    return f"{_span(showing.after)}{late} ({words.count(showing.needed)} requests)"


def _proof_words(rate: Rate) -> str:
    proving = rate.proving
    if proving.needed is None:
        return "never"
    late = "" if proving.in_time else ", too late"
    return f"{_span(proving.after)}{late} ({words.count(proving.needed)} requests)"


def _guard_cells(guard: Guard) -> tuple[str, ...]:
    rates = {window.intervals: _from(window.rate) for window in guard.windows}
    soonest = f"{_span(guard.after)} ({guard.soonest} bad in a row)" if guard.soonest else "never"
    if guard.limit.sustained:
        (lasting,) = rates.values()
        return guard.limit.key, soonest, "-", "-", lasting
    return guard.limit.key, soonest, *(rates[count] for count in INTERVALS)


def _from(rate: float | None) -> str:
    return "never" if rate is None else f"from {words.percent(rate)}"


def _span(value: timedelta | None) -> str:
    return "never" if value is None else words.lasting(value)


def _phase_warnings(plan: RolloutPlan, one: Outlook) -> Iterable[str]:
    for rate in one.rates:
        yield from _unproved(one, rate)
        yield from _unseen(one, rate)
    for guard in one.guards:
        if all(window.rate is None for window in guard.windows):
            yield (
                f"the limit {guard.limit.measure.said} cannot fire within "
                f"{guard.windows[-1].intervals} intervals: {guard.windows[-1].requests} requests are too few"
            )
    yield from _silent(plan, one)


def _unproved(one: Outlook, rate: Rate) -> Iterable[str]:
    proving = rate.proving
    if rate.in_time:
        return
    ending = (
        "is accepted as low traffic"
        if one.phase.low_traffic is LowTraffic.ACCEPT
        else "ends as not enough evidence: it is held for a person"
    )
    if proving.needed is None:
        why = f"at a base rate of {words.percent(rate.base)} no number of requests proves it"
    else:
        why = (
            f"it takes {words.count(proving.needed)} requests ({_span(proving.after)}), the soak with every "
            f"extension has {format_duration(one.longest)}"
        )
    if rate.showing:
        why += f"; one that fails {words.percent(rate.showing.harm)} shows after {_span(rate.showing.after)}"
    yield f"{rate.measure.said} is not proved: {why}; the phase {ending}"


def _unseen(one: Outlook, rate: Rate) -> Iterable[str]:
    limits = [
        guard.limit.measure.limit for guard in one.guards if guard.limit.measure.slot == rate.measure.slot
    ]
    if rate.seen is None or not limits:
        return
    limit, median = min(limits), rate.seen.median
    if median is None or median > limit:
        seen = "nothing" if median is None else f"only a rise to {words.percent(median)}"
        yield (
            f"{rate.measure.said}: half of releases show {seen} by the end, "
            f"while versions are taken back from {words.percent(limit)} on"
        )


def _silent(plan: RolloutPlan, one: Outlook) -> Iterable[str]:
    """Traffic so thin that a pause looks like silence."""
    holds = plan.telemetry.silence_holds
    expected = one.per_second * holds.total_seconds()
    chance = exp(-expected)
    if chance > _UNLIKELY:
        yield (
            f"{expected:.2g} requests of the canary are expected in {format_duration(holds)}; "
            f"none at all has a chance of {words.percent(chance)}, and then nothing is promoted"
        )


def _phase_data(one: Outlook) -> dict[str, Any]:
    return {
        "phase": one.phase.name,
        "weight": one.phase.weight,
        "judged_seconds": one.judged.total_seconds(),
        "longest_seconds": one.longest.total_seconds(),
        "requests": one.requests,
        "requests_with_phases_before": one.pooled,
        "criteria": [_rate_data(rate) for rate in one.rates],
        "limits": [_guard_data(guard) for guard in one.guards],
    }


def _rate_data(rate: Rate) -> dict[str, Any]:
    proving = rate.proving
    return {
        "criterion": rate.measure.said,
        "limit": rate.measure.limit,
        "base": rate.base,
        "seen": None if rate.seen is None else {"half": rate.seen.median, "likely": rate.seen.likely},
        "clean_requests": proving.clean,
        "requests_to_prove": proving.needed,
        "proved_after_seconds": None if proving.after is None else proving.after.total_seconds(),
        "proved_in_time": proving.in_time,
        "harm_shows": None if rate.showing is None else _showing_data(rate.showing),
    }


def _showing_data(showing: Showing) -> dict[str, Any]:
    return {
        "rate": showing.harm,
        "requests": showing.needed,
        "after_seconds": None if showing.after is None else showing.after.total_seconds(),
        "in_time": showing.in_time,
    }


def _guard_data(guard: Guard) -> dict[str, Any]:
    return {
        "limit": guard.limit.key,
        "soonest_bad_requests": guard.soonest,
        "soonest_seconds": None if guard.after is None else guard.after.total_seconds(),
        "windows": [{**asdict(window), "rate": window.rate} for window in guard.windows],
    }
