"""What ``phasegate plan show`` prints: the plan, and what it can see at a traffic."""

import asyncio
import json
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import click
from rich.console import Console

from phasegate.domain.errors import SettingsError
from phasegate.domain.judge.outlook import USUAL_ERRORS, Traffic, outlook
from phasegate.domain.plan import RolloutPlan
from phasegate.domain.quantities import format_rate, parse_rate, parse_traffic
from phasegate.report.outlook import as_data, outlook_tables, warnings
from phasegate.report.plan_table import plan_table

_LONGEST = 7 * 24
_WIDTH = 160


@dataclass(frozen=True)
class Question:
    """The options as they were typed; at most one of *traffic* and *service* is given."""

    traffic: str | None
    service: str | None
    hours: float
    errors: str | None
    as_json: bool


def show_plan(plan: RolloutPlan, asked: Question) -> None:
    """Print *plan* and what it can see at the traffic that is asked for. Raises SettingsError."""
    traffic = _traffic(plan, asked)
    if traffic is None:
        _console().print(plan_table(plan))
        return
    seen = outlook(plan, traffic)
    if asked.as_json:
        click.echo(json.dumps(as_data(plan, traffic, seen), indent=2))
        return
    console = _console()
    console.print(plan_table(plan), *outlook_tables(plan, traffic, seen))
    for text in warnings(plan, seen):
        console.print(f"warning: {text}", highlight=False, soft_wrap=True, markup=False)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _WIDTH)


def _traffic(plan: RolloutPlan, asked: Question) -> Traffic | None:
    if asked.traffic and asked.service:
        raise SettingsError("--traffic and --service both say what the service serves; give one of them")
    errors = _errors(asked.errors)
    if asked.service:
        measured = asyncio.run(_measure(plan, asked.service, hours=asked.hours))
        return measured if errors is None else replace(measured, errors=errors)
    if asked.traffic:
        return _given(asked.traffic, errors)
    if asked.as_json or asked.errors:
        raise SettingsError(
            "--json and --base-error-rate need a traffic: add --traffic 12rps or --service NAME"
        )
    return None


def _given(text: str, errors: float | None) -> Traffic:
    try:
        rps = parse_traffic(text)
    except ValueError as error:
        raise SettingsError(f"--traffic: {error}") from None
    if errors is not None:
        return Traffic(rps, errors, source="as given")
    return Traffic(rps, source=f"as given; a base error rate of {format_rate(USUAL_ERRORS)} is assumed")


def _errors(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        rate = parse_rate(text)
    except ValueError as error:
        raise SettingsError(f"--base-error-rate: {error}") from None
    if not 0 < rate < 1:
        raise SettingsError(f"--base-error-rate: {text}; allowed: more than 0 % and less than 100 %")
    return rate


async def _measure(plan: RolloutPlan, service: str, *, hours: float) -> Traffic:
    from phasegate.actions.measuring import measure_traffic
    from phasegate.settings import Settings
    from phasegate.wiring import metrics

    if not 0 < hours <= _LONGEST:
        raise SettingsError(f"--hours: {hours:g}; allowed: more than 0, at most {_LONGEST}")
    async with metrics(Settings()) as source:
        span = timedelta(hours=hours)
        return await measure_traffic(source, service, plan=plan, now=datetime.now(UTC), span=span)
