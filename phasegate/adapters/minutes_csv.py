"""Minutes as CSV: what a spreadsheet, a database or another monitoring tool can write."""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from phasegate.adapters.minutes_cells import Faults
from phasegate.adapters.minutes_table import Choice, read_table, table_rows
from phasegate.domain.plan import RolloutPlan
from phasegate.domain.recording import Recording, Watched

_DELIMITERS = ",;\t"


def write_csv(seen: Watched) -> str:
    """What was *seen* and its history as CSV, one row for each interval, version and endpoint."""
    columns, rows = table_rows(seen, (*seen.history, *seen.minutes))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "start": row["start"].isoformat()} for row in rows)
    return text.getvalue()


def read_csv(path: Path, *, plan: RolloutPlan, choice: Choice) -> Recording:
    """The recording in the CSV file at *path* (comma, semicolon or tab). Raises RecordingError."""
    faults = Faults(str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise faults.stop(None, f"byte {error.start} is not UTF-8; allowed: a text file in UTF-8") from None
    first = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=max(_DELIMITERS, key=first.count))
    header = [name.strip() for name in reader.fieldnames or ()]
    if len(set(header)) != len(header):
        raise faults.stop(1, f"two columns have the same name; allowed: each once; found {', '.join(header)}")
    reader.fieldnames = header
    return read_table(str(path), header, _rows(reader, faults), plan=plan, choice=choice)


def _rows(reader: "csv.DictReader[str]", faults: Faults) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        for row in reader:
            if None in row:
                raise faults.stop(
                    reader.line_num, f"more cells than columns; allowed: {len(reader.fieldnames or ())}"
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise faults.stop(
            reader.line_num, f'no CSV: {error}; allowed: rows of cells, quoted with "'
        ) from None
