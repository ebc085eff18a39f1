"""Where the numbers come from: what each source counted, and what no version can be made answerable for."""

from phasegate.domain.ledger import ReleaseState
from phasegate.domain.observation import Minute
from phasegate.domain.sources import Compared
from phasegate.report.headline import name
from phasegate.report.markdown import at, bullets, plain, sections, table


def sources_markdown(state: ReleaseState, minutes: tuple[Minute, ...]) -> str:
    """The comparisons of the sources in the present phase, and the requests that named no version."""
    return sections(_compared(state), _synthetic(state), _unattributed(minutes))


def _compared(state: ReleaseState) -> str:
    checked = state.cross_checked
    if checked is None or checked.phase != state.phase:
        return ""
    head = ("Version", "Telemetry", "Failed", "Second source", "Failed invocations", "Wall time")
    rows = table(head, (_row(state, row) for row in checked.rows))
    said = bullets([f"⚠ {plain(text)}" for text in checked.differences])
    verdict = said or "Both agree within what the plan allows."
    window = f"*({at(checked.since)} to {at(checked.until)}; {plain(checked.query)})*"
    return f"**Two sources of metrics**\n\n{rows}\n\n{verdict} {window}"


def _synthetic(state: ReleaseState) -> str:
    checked = state.synthetic_checked
    if checked is None or checked.phase != state.phase:
        return ""
    head = ("Version", "Answered", "Not as asked", "In telemetry", "Failed in telemetry")
    rows = table(head, (_own(state, row) for row in checked.rows))
    said = bullets([f"⚠ {plain(text)}" for text in checked.differences])
    verdict = said or "Telemetry counted what their sender saw."
    window = f"*({at(checked.since)} to {at(checked.until)}; with health checks, in no count of users)*"
    return f"**Synthetic requests**\n\n{rows}\n\n{verdict} {window}"


def _own(state: ReleaseState, row: Compared) -> tuple[str, ...]:
    counts = (row.second.requests, row.second.errors, row.requests, row.errors)
    return (plain(name(state, row.version)), *(f"{count:,}" for count in counts))


def _row(state: ReleaseState, row: Compared) -> tuple[str, ...]:
    second = row.second
    wall = f"{second.quantile.removeprefix('wallTime')} {second.wall:.0f} ms" if second.wall else "–"
    counts = (f"{row.requests:,}", f"{row.errors:,}", f"{second.requests:,}", f"{second.errors:,}")
    return (plain(name(state, row.version)), *counts, wall)


def _unattributed(minutes: tuple[Minute, ...]) -> str:
    lost = sum(minute.unattributed for minute in minutes)
    if not minutes:
        return ""
    total = lost + sum(count.total for minute in minutes for count in minute.counts)
    if not lost:
        return f"Every one of {total:,} counted requests named its version."
    return f"⚠ {lost:,} of {total:,} counted requests named no version and count for neither side."
