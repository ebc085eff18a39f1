"""Minutes as Parquet: the table of the CSV, with the rest of the recording in the file's metadata."""

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from phasegate.adapters.minutes_cells import Faults
from phasegate.adapters.minutes_json import parse_json
from phasegate.adapters.minutes_table import Choice, read_minutes, read_table, table_rows
from phasegate.domain.errors import SettingsError
from phasegate.domain.observation import Minute
from phasegate.domain.plan import RolloutPlan
from phasegate.domain.recording import Recording, judged_by

_KEY = b"phasegate"


def write_parquet(recording: Recording, path: Path) -> None:
    """Write *recording* to *path*. Raises SettingsError when pyarrow is not installed."""
    arrow, parquet = _arrow()
    seen = recording.production
    columns, rows = table_rows(seen, seen.minutes) if seen else ([], [])
    table = arrow.table({name: [row[name] for row in rows] for name in columns})
    table = table.replace_schema_metadata({_KEY: _rest(recording).model_dump_json().encode()})
    parquet.write_table(table, path)


def read_parquet(path: Path, *, plan: RolloutPlan | None, choice: Choice) -> Recording:
    """
    The recording at *path*, judged by *plan*; only a table made by others needs one.

    Raises RecordingError for what is wrong in the file, SettingsError without pyarrow.
    """
    arrow, parquet = _arrow()
    faults = Faults(str(path))
    try:
        table = parquet.read_table(path)
    except arrow.ArrowInvalid as error:
        raise faults.stop(None, f"no Parquet file: {error}") from None
    header, rows = list(table.column_names), _rows(table)
    kept = (table.schema.metadata or {}).get(_KEY)
    if kept is None:
        if plan is None:
            raise faults.stop(None, "it carries no plan; add --plan NAME")
        return read_table(str(path), header, rows, plan=plan, choice=choice)
    rest = parse_json(kept.decode(), faults=faults)
    if rest.production is not None:
        rest = _filled(rest, read_minutes(str(path), header, rows, plan=rest.plan))
    return judged_by(rest, plan) if plan else rest


def _arrow() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise SettingsError(
            "Parquet needs pyarrow: install phasegate[parquet], or use --format csv or json"
        ) from None


def _rest(recording: Recording) -> Recording:
    """The recording without the intervals that stand in the table."""
    emptied = tuple(
        one.model_copy(update={"minutes": ()}) if one is recording.production else one
        for one in recording.watched
    )
    return recording.model_copy(update={"watched": emptied})


def _filled(rest: Recording, minutes: tuple[Minute, ...]) -> Recording:
    filled = tuple(
        one.model_copy(update={"minutes": minutes}) if one is rest.production else one for one in rest.watched
    )
    return rest.model_copy(update={"watched": filled})


def _rows(table: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    yield from enumerate(table.to_pylist(), start=1)
