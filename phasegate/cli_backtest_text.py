"""What ``phasegate backtest`` prints: a table of judges, or JSON."""

import json
from collections.abc import Sequence
from math import isfinite
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from phasegate.domain.quantities import format_rate
from phasegate.simulation.backtest import Row
from phasegate.simulation.outcome import Outcome, Share


def tables(rows: Sequence[Row], *, interval: str) -> tuple[Table, ...]:
    """Simulated good versions and regressions; delays in *interval*s."""
    good = [row for row in rows if row.scenario.regression.harmless]
    bad = [row for row in rows if not row.scenario.regression.harmless]
    return tuple(
        table
        for table, kept in (
            (_good("Good versions: how often each judge takes one back", good), good),
            (_bad(f"Regressions: how soon they are seen, in intervals of {interval}", bad), bad),
        )
        if kept
    )


def recorded_table(outcomes: Sequence[Outcome], *, harmful: bool, interval: str) -> Table:
    """Recorded releases: one line for each judge."""
    if harmful:
        table = _headed(f"Recorded regressions, delays in intervals of {interval}", "judge", *_BAD)
        for one in outcomes:
            table.add_row(one.judge, *_seen(one))
        return table
    table = _headed("Recorded good releases", "judge", *_GOOD)
    for one in outcomes:
        table.add_row(one.judge, *_taken(one))
    return table


def as_json(rows: Sequence[Row], outcomes: Sequence[Outcome] = ()) -> str:
    """Every figure; a delay that most rollouts did not live to see is null."""
    simulated = [
        {
            "traffic": row.scenario.traffic,
            "errors": row.scenario.errors,
            "regression": row.scenario.regression.name,
            "disturbance": row.scenario.disturbance.value,
            **_plain(row.outcome),
        }
        for row in rows
    ]
    return json.dumps({"simulated": simulated, "recorded": [_plain(one) for one in outcomes]}, indent=2)


_GOOD = ("taken back", "95 % interval", "failed canary requests")
_BAD = ("seen", "95 % interval", "median", "P95", "failed canary requests before", "taken back too early")


def _good(title: str, rows: Sequence[Row]) -> Table:
    table = _headed(title, "scenario", "judge", *_GOOD)
    for row in rows:
        table.add_row(_scenario(row), row.outcome.judge, *_taken(row.outcome), end_section=_last(row, rows))
    return table


def _bad(title: str, rows: Sequence[Row]) -> Table:
    table = _headed(title, "scenario", "judge", *_BAD)
    for row in rows:
        table.add_row(_scenario(row), row.outcome.judge, *_seen(row.outcome), end_section=_last(row, rows))
    return table


def _headed(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in {"scenario", "judge"} else "right")
    return table


def _last(row: Row, rows: Sequence[Row]) -> bool:
    """A line is drawn below each scenario's last judge."""
    return row is [one for one in rows if one.scenario == row.scenario][-1]


def _scenario(row: Row) -> str:
    scenario = row.scenario
    disturbed = "" if scenario.disturbance.value == "none" else f", {scenario.disturbance.value}"
    named = f"{scenario.regression.name}{disturbed}"
    return f"{named}, {scenario.traffic:g} req/s, base {format_rate(scenario.errors)}"


def _taken(one: Outcome) -> tuple[str, ...]:
    return _share(one.stopped), _interval(one.stopped), f"{one.failed:,.1f}"


def _seen(one: Outcome) -> tuple[str, ...]:
    delays = (_delay(one.median), _delay(one.p95))
    return (
        _share(one.stopped),
        _interval(one.stopped),
        *delays,
        f"{one.failed:,.1f}",
        _share(one.early) if one.early.bad else "-",
    )


def _share(share: Share) -> str:
    return f"{share.value * 100:.1f} %" if share.total else "-"


def _interval(share: Share) -> str:
    low, high = share.interval
    return f"{low * 100:.1f} to {high * 100:.1f} %"


def _delay(value: float) -> str:
    return f"{value:g}" if isfinite(value) else "-"


def _plain(one: Outcome) -> dict[str, Any]:
    return {
        "judge": one.judge,
        "rollouts": one.early.total,
        "taken_back": one.stopped.bad,
        "of": one.stopped.total,
        "interval": list(one.stopped.interval),
        "too_early": one.early.bad,
        "median": one.median if isfinite(one.median) else None,
        "p95": one.p95 if isfinite(one.p95) else None,
        "failed_requests": one.failed,
    }
