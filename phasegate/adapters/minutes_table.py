"""A table of minutes (one row for each interval, version and endpoint) becomes what a judge is given."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from typing import Any

from phasegate.adapters.minutes_cells import SLOW, Cells, Faults, known_columns, read_row
from phasegate.domain.observation import Counts, Minute
from phasegate.domain.phase import Environment
from phasegate.domain.plan import STORED, RolloutPlan
from phasegate.domain.quantities import format_duration
from phasegate.domain.recording import RecordedSoak, Recording, Watched


@dataclass(frozen=True)
class Choice:
    """
    What a file made by hand does not say itself.

    *canary* and *control* are values of the version column, *phase* is the phase that all
    of it is judged as; *columns* goes from our name of a column to the file's.
    """

    canary: str = ""
    control: str = ""
    phase: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


def read_table(
    name: str,
    header: list[str],
    rows: Iterable[tuple[int, Mapping[str, Any]]],
    *,
    plan: RolloutPlan,
    choice: Choice,
) -> Recording:
    """
    The recording that *rows* (place in the file, cells by column) hold, judged by *plan*.

    A recorded interval is complete, so nothing is waited for: the plan's ``settle`` becomes 0,
    its interval that of the file. Raises RecordingError naming every fault.
    """
    faults = Faults(name)
    cells = _cells(header, rows, columns=choice.columns, faults=faults)
    if not cells:
        raise faults.stop(None, "there is no row in it; allowed: at least one interval")
    canary, control = _versions(cells, choice, faults)
    minutes = _minutes(cells, plan=plan, faults=faults)
    soaks = _soaks(cells, minutes, canary, plan=plan, choice=choice, faults=faults)
    telemetry = plan.telemetry.model_copy(update={"settle": timedelta(0)})
    # History may be in longer buckets; what is judged is not.
    interval = next(minute.length for minute in minutes if minute.start >= soaks[0].since)
    watched = Watched(
        environment=Environment.PRODUCTION,
        control=control,
        canary=canary,
        soaks=soaks,
        minutes=tuple(minute for minute in minutes if minute.start >= soaks[0].since),
        history=tuple(minute for minute in minutes if minute.start < soaks[0].since),
    )
    judged = plan.model_copy(update={"telemetry": telemetry, "interval": interval})
    # What makes a plan unsafe to release by does not matter for what has been.
    return Recording.model_validate({"plan": judged, "watched": (watched,)}, context=STORED)


def read_minutes(
    name: str, header: list[str], rows: Iterable[tuple[int, Mapping[str, Any]]], *, plan: RolloutPlan
) -> tuple[Minute, ...]:
    """The intervals alone, in the order of time, of a table that :func:`table_rows` gave."""
    faults = Faults(name)
    cells = _cells(header, rows, columns={}, faults=faults)
    return _minutes(cells, plan=plan, faults=faults)


def table_rows(seen: Watched, minutes: tuple[Minute, ...]) -> tuple[list[str], list[dict[str, Any]]]:
    """Columns and rows of *minutes*, as *seen*; one without any request is a row without a version."""
    cuts = sorted({cut for minute in minutes for counts in minute.counts for cut, _ in counts.slow})
    columns = ["start", "length", "phase", "role", "version", "endpoint", "total", "errors"]
    columns += [*(f"{SLOW}{cut}" for cut in cuts), "unattributed"]
    rows = [row for minute in minutes for row in _rows(minute, seen, cuts)]
    return columns, rows


def _rows(minute: Minute, seen: Watched, cuts: list[int]) -> Iterator[dict[str, Any]]:
    phase = next(
        (
            soak.phase
            for soak in sorted(seen.soaks, key=lambda s: s.since, reverse=True)
            if minute.start >= soak.since
        ),
        "",
    )
    empty = Counts(version="", endpoint="", total=0, errors=0)
    roles = {seen.canary: "canary", seen.control: "control"} if seen.control else {seen.canary: "canary"}
    for place, counts in enumerate(minute.counts or (empty,)):
        slow = dict(counts.slow)
        yield {
            "start": minute.start,
            "length": format_duration(minute.length),
            "phase": phase,
            "role": roles.get(counts.version, ""),
            "version": counts.version,
            "endpoint": counts.endpoint,
            "total": counts.total,
            "errors": counts.errors,
            **{f"{SLOW}{cut}": slow.get(cut) for cut in cuts},
            "unattributed": minute.unattributed if place == 0 else 0,
        }


def _cells(
    header: list[str],
    rows: Iterable[tuple[int, Mapping[str, Any]]],
    *,
    columns: Mapping[str, str],
    faults: Faults,
) -> list[Cells]:
    named, slow = known_columns(header, columns, faults=faults)
    read = [read_row(place, row, named=named, slow=slow, faults=faults) for place, row in rows]
    faults.settle()
    return sorted((one for one in read if one), key=lambda one: one.start)


def _versions(cells: list[Cells], choice: Choice, faults: Faults) -> tuple[str, str]:
    """
    The version ids of canary and control: as chosen, else as the role column says.

    The one other version of a file is the control; a file with the canary alone has none.
    """
    found = sorted({one.version for one in cells if one.version})
    shown = f"its versions are {', '.join(found) or 'none'}"
    canary = choice.canary or _in_role(cells, "canary", faults)
    others = [version for version in found if version != canary]
    control = choice.control or _in_role(cells, "control", faults) or (others[0] if len(others) == 1 else "")
    if canary not in found:
        faults.add(None, f"no canary {canary!r}; say which version it is with --canary; {shown}")
    elif control not in others and (control or others):
        faults.add(None, f"no control {control!r}; say which version it is with --control; {shown}")
    faults.settle()
    return canary, control


def _in_role(cells: list[Cells], role: str, faults: Faults) -> str:
    versions = sorted({one.version for one in cells if one.role == role and one.version})
    if len(versions) > 1:
        faults.add(None, f"role: {len(versions)} versions are {role}: {', '.join(versions)}; allowed: one")
    return versions[0] if versions else ""


def _minutes(cells: list[Cells], *, plan: RolloutPlan, faults: Faults) -> tuple[Minute, ...]:
    usual = _usual_length([one.start for one in cells], plan=plan)
    minutes = []
    for start, group in groupby(cells, key=lambda one: one.start):
        rows = list(group)
        minutes.append(_minute(start, rows, length=rows[0].length or usual))
        if len({row.length or usual for row in rows}) > 1:
            faults.add(rows[0].place, f"length: the interval {start.isoformat()} has several; allowed: one")
    places = {one.start: one.place for one in cells}
    for before, after in pairwise(minutes):
        if after.start < before.end:
            faults.add(
                places[after.start],
                f"start: {after.start.isoformat()} lies in the interval from {before.start.isoformat()} "
                f"({format_duration(before.length)}); allowed: intervals that do not overlap",
            )
    faults.settle()
    return tuple(minutes)


def _usual_length(starts: list[datetime], *, plan: RolloutPlan) -> timedelta:
    """The shortest distance of two intervals: what a file without a length column means."""
    distances = [after - before for before, after in pairwise(starts) if after > before]
    return min(distances, default=plan.interval)


def _minute(start: datetime, rows: list[Cells], *, length: timedelta) -> Minute:
    counts = tuple(
        Counts(version=row.version, endpoint=row.endpoint, total=row.total, errors=row.errors, slow=row.slow)
        for row in rows
        if row.version
    )
    return Minute(
        start=start, length=length, counts=counts, unattributed=sum(row.unattributed for row in rows)
    )


def _soaks(
    cells: list[Cells],
    minutes: tuple[Minute, ...],
    canary: str,
    *,
    plan: RolloutPlan,
    choice: Choice,
    faults: Faults,
) -> tuple[RecordedSoak, ...]:
    names = [phase.name for phase in plan.phases if phase.environment is Environment.PRODUCTION]
    if any(one.phase for one in cells) and not choice.phase:
        return _phases(cells, minutes, names, faults)
    name = choice.phase or names[0]
    if name not in names:
        raise faults.stop(None, f"--phase: {name!r} is not allowed; allowed: {', '.join(names)}")
    since = next((minute.start for minute in minutes if minute.total(canary)), None)
    if since is None:
        raise faults.stop(None, f"the canary {canary!r} has no request in it; allowed: one at least")
    return (RecordedSoak(phase=name, since=since, until=minutes[-1].end),)


def _phases(
    cells: list[Cells], minutes: tuple[Minute, ...], names: list[str], faults: Faults
) -> tuple[RecordedSoak, ...]:
    """Each phase is one block of intervals; those before the first are history."""
    ends = {minute.start: minute.end for minute in minutes}
    soaks: list[RecordedSoak] = []
    for name, group in groupby(cells, key=lambda one: one.phase):
        rows = list(group)
        if not name:
            continue
        if name not in names or any(soak.phase == name for soak in soaks):
            why = "comes back" if name in names else "is not allowed"
            faults.add(
                rows[0].place, f"phase: {name!r} {why}; allowed: {', '.join(names)}, each in one block"
            )
        soaks.append(RecordedSoak(phase=name, since=rows[0].start, until=ends[rows[-1].start]))
    faults.settle()
    return tuple(soaks)
