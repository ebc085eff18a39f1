"""A release's ledger as text: where it stands, then one line for each event."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from phasegate.domain.events import Ended, Opened, Recorded, Uploaded
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.listing import Row
from phasegate.report.events_text import clock_text, describe, split_text

_BY_WIDTH = 24


def header(state: ReleaseState) -> tuple[str, ...]:
    """Where the release stands, one ``name: value`` a line."""
    tags = tags_of(state)
    candidate = state.canary.label if state.canary else _candidate(state.opened)
    lines = {
        "release": state.release,
        "service": state.service,
        "plan": f"{state.plan.name} (digest {state.opened.plan_digest[:12]})",
        "candidate": candidate,
        "known good": state.known_good.label,
        "opened": f"{clock_text(state.opened_at)} by {state.opened.requested_by}: {state.opened.reason}",
        "phase": state.phase or "none yet",
        "status": status(state),
        "live split": split_text(state.live.split, tags=tags),
    }
    return tuple(f"{name + ':':<12}{value}" for name, value in lines.items())


def status(state: ReleaseState) -> str:
    """What the release is doing, in words."""
    if state.ended:
        return f"ended: {state.ended.outcome}"
    if state.aborting:
        step = "taken back, recovery is watched" if state.restored_at else "being taken back"
        return f"{step}: {state.why_abort}"
    if state.question:
        roles = ", ".join(state.question.roles)
        return f"waits for {roles} until {clock_text(state.question.expires_at)}"
    soak = state.soaks.get(state.phase) if state.current else None
    return f"soaks until {clock_text(soak.until)}" if soak else "at work"


def tags_of(state: ReleaseState) -> dict[str, str]:
    """What people call the versions of this release: id -> tag."""
    versions = (state.opened.known_good, state.known_good, *state.uploaded.values())
    return {version.id: version.tag for version in versions if version.tag}


def tags_in(rows: tuple[Recorded, ...]) -> dict[str, str]:
    """The same from the events alone, for a ledger that cannot be replayed."""
    events = [row.event for row in rows]
    versions = [event.version for event in events if isinstance(event, Uploaded)]
    versions += [event.known_good for event in events if isinstance(event, Opened)]
    return {version.id: version.tag for version in versions if version.tag}


def line(row: Recorded, *, opened_at: datetime, tags: Mapping[str, str]) -> str:
    """One event: number, time in UTC, time since the release opened, who, and what happened."""
    by = row.by if len(row.by) <= _BY_WIDTH else row.by[: _BY_WIDTH - 1] + "…"
    when = f"{row.at:%Y-%m-%d %H:%M:%S}  {elapsed(row.at - opened_at):>10}"
    return f"{row.seq:>5}  {when}  {by:<{_BY_WIDTH}}  {describe(row.event, tags=tags)}"


def columns() -> str:
    """The heading over the lines."""
    return f"{'seq':>5}  {'UTC':<19}  {'elapsed':>10}  {'who':<{_BY_WIDTH}}  what happened"


def elapsed(duration: timedelta) -> str:
    """A time since the start, to the second: ``+1:05:09``, ``+2d 1:05:09``."""
    seconds = round(abs(duration).total_seconds())
    days, rest = divmod(seconds, 86400)
    sign = "-" if duration < timedelta(0) and seconds else "+"
    return f"{sign}{f'{days}d ' if days else ''}{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"


def listing(rows: tuple[Row, ...], outcomes: Mapping[str, str]) -> tuple[str, ...]:
    """Releases as lines of a table; *outcomes* says how each stands or ended."""
    wide = max([len(row.release) for row in rows] + [7])
    far = max([len(row.service) for row in rows] + [7])
    top = f"{'release':<{wide}}  {'service':<{far}}  {'status':<6}  {'opened (UTC)':<19}  outcome"
    return (
        top,
        *(
            f"{row.release:<{wide}}  {row.service:<{far}}  {'active' if row.active else 'over':<6}  "
            f"{row.opened_at:%Y-%m-%d %H:%M:%S}  {outcomes.get(row.release, '')}".rstrip()
            for row in rows
        ),
    )


def ending(row: Recorded) -> str:
    """How a release ended: ``promoted, 2026-03-01 14:05:00 UTC``; empty for any other event."""
    return f"{row.event.outcome}, {clock_text(row.at)}" if isinstance(row.event, Ended) else ""


def _candidate(opened: Opened) -> str:
    candidate = opened.candidate
    return f"{candidate.tag or candidate.version[:8] or candidate.bundle} (not uploaded yet)"
