"""One row of a table of minutes: each cell read, and every fault named with its place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isnan
from typing import Any, TypeVar

from phasegate.domain.errors import RecordingError
from phasegate.domain.quantities import parse_duration

SLOW = "slow_"
REQUIRED = ("start", "version", "total", "errors")
OPTIONAL = ("length", "endpoint", "phase", "role", "unattributed")
ROLES = ("canary", "control", "")
_SHOWN = 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cells:
    """A row that was read; *slow* goes from the cut in milliseconds to the count, without blank cells."""

    place: int
    start: datetime
    length: timedelta | None
    version: str
    endpoint: str
    total: int
    errors: int
    slow: tuple[tuple[int, int], ...]
    phase: str
    role: str
    unattributed: int


class Faults:
    """What is wrong with one file, gathered so that all of it is told at once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._told: list[str] = []

    def add(self, place: int | None, text: str) -> None:
        """Note a fault at a line (or the row of a file that has no lines)."""
        self._told.append(f"{self._name}:{place}: {text}" if place is not None else f"{self._name}: {text}")

    def settle(self) -> None:
        """Raise RecordingError with the first twenty faults, if there are any."""
        if self._told:
            more = len(self._told) - _SHOWN
            rest = [f"{self._name}: … and {more} more"] if more > 0 else []
            raise RecordingError("\n".join((*self._told[:_SHOWN], *rest)))

    def stop(self, place: int | None, text: str) -> RecordingError:
        """The error for a fault after which nothing else can be read."""
        self.add(place, text)
        return RecordingError(self._told[-1])


def known_columns(
    found: list[str], columns: Mapping[str, str], *, faults: Faults
) -> tuple[dict[str, str], dict[int, str]]:
    """
    Our name -> the file's column, and cut -> the file's column.

    *columns* renames: our name -> the file's. Raises RecordingError when a required one is not there.
    """
    named = {name: columns.get(name, name) for name in (*REQUIRED, *OPTIONAL)}
    slow = {cut: name for name in found if (cut := _cut(name)) is not None}
    slow |= {cut: name for ours, name in columns.items() if (cut := _cut(ours)) is not None}
    for ours, name in columns.items():
        if ours not in named and _cut(ours) is None:
            faults.add(None, f"--column {ours}: no such column; allowed: {', '.join(named)}, slow_<ms>")
        elif name not in found:
            faults.add(1, f"--column {ours}={name}: no column {name!r}; the file has {', '.join(found)}")
    missing = [name for name in REQUIRED if named[name] not in found and name not in columns]
    for name in missing:
        faults.add(
            1, f"no column {name!r}; the file has {', '.join(found)}; say which with --column {name}=…"
        )
    faults.settle()
    return {ours: name for ours, name in named.items() if name in found}, slow


def read_row(
    place: int, row: Mapping[str, Any], *, named: Mapping[str, str], slow: Mapping[int, str], faults: Faults
) -> Cells | None:
    """One row, or None when a cell is wrong (then *faults* knows)."""
    reader = _Row(place, row, faults)
    cells = Cells(
        place=place,
        start=reader.cell(named["start"], _time, "a time such as 2026-02-17T03:00:00Z", datetime.min),
        length=reader.maybe(named.get("length"), _length, "a duration such as 1m", None),
        version=reader.text(named["version"]),
        endpoint=reader.text(named.get("endpoint")),
        total=reader.cell(named["total"], _whole, _WHOLE, 0),
        errors=reader.cell(named["errors"], _whole, _WHOLE, 0),
        slow=tuple(
            (cut, count)
            for cut, name in sorted(slow.items())
            if (count := reader.maybe(name, _whole, f"{_WHOLE}, or nothing where it was not measured", None))
            is not None
        ),
        phase=reader.text(named.get("phase")),
        role=reader.maybe(named.get("role"), _role, "canary, control or nothing", ""),
        unattributed=reader.maybe(named.get("unattributed"), _whole, _WHOLE, 0),
    )
    return None if reader.wrong else cells


class _Row:
    def __init__(self, place: int, row: Mapping[str, Any], faults: Faults) -> None:
        self._place, self._row, self._faults = place, row, faults
        self.wrong = False

    def text(self, name: str | None) -> str:
        value = self._row.get(name) if name else None
        return "" if _blank(value) else str(value).strip()

    def maybe(self, name: str | None, read: Callable[[Any], T], allowed: str, otherwise: T) -> T:
        if name is None or _blank(self._row.get(name)):
            return otherwise
        return self.cell(name, read, allowed, otherwise)

    def cell(self, name: str, read: Callable[[Any], T], allowed: str, otherwise: T) -> T:
        value = self._row.get(name)
        try:
            return read(value)
        except (ValueError, TypeError, OverflowError):
            shown = "nothing" if _blank(value) else repr(value if isinstance(value, str) else str(value))
            self._faults.add(self._place, f"{name}: {shown} is not allowed; allowed: {allowed}")
            self.wrong = True
            return otherwise


_WHOLE = "a whole number, 0 or more"


def _cut(name: str) -> int | None:
    digits = name.removeprefix(SLOW)
    return int(digits) if name.startswith(SLOW) and digits.isdecimal() else None


def _blank(value: Any) -> bool:
    missing = value is None or (isinstance(value, float) and isnan(value))
    return missing or str(value).strip() == ""


def _time(value: Any) -> datetime:
    """A time without an offset is UTC."""
    at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _length(value: Any) -> timedelta:
    length = parse_duration(value)
    if length <= timedelta(0):
        raise ValueError("an interval lasts longer than nothing")
    return length


def _whole(value: Any) -> int:
    number = int(str(value).strip()) if isinstance(value, str) else int(value)
    if number < 0 or (not isinstance(value, str) and number != value):
        raise ValueError("not a whole number")
    return number


def _role(value: Any) -> str:
    role = str(value).strip().lower()
    if role not in ROLES:
        raise ValueError("not a role")
    return role
