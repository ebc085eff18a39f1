"""A whole recording as JSON: nothing is lost, so a replay gives the recorded verdicts."""

import json
from pathlib import Path

from pydantic import ValidationError

from phasegate.adapters.minutes_cells import Faults
from phasegate.domain.plan import STORED
from phasegate.domain.recording import Recording


def write_json(recording: Recording) -> str:
    """*recording* as one JSON object."""
    return recording.model_dump_json(indent=1) + "\n"


def read_json(path: Path) -> Recording:
    """The recording at *path*. Raises RecordingError naming line and column, or field and value."""
    faults = Faults(str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise faults.stop(None, f"byte {error.start} is not UTF-8; allowed: a text file in UTF-8") from None
    return parse_json(text, faults=faults)


def parse_json(text: str, *, faults: Faults) -> Recording:
    """The recording in *text*; see :func:`read_json`."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise faults.stop(error.lineno, f"column {error.colno}: no JSON: {error.msg}") from None
    if not isinstance(data, dict) or "watched" not in data:
        raise faults.stop(
            None,
            "this is no recording; allowed: what `phasegate ledger minutes RELEASE --format json` writes",
        )
    try:
        # The plan was safe when its release was opened; rules that came later must not unread it.
        return Recording.model_validate(data, context=STORED)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            where = ".".join(str(part) for part in fault["loc"])
            message = fault["msg"].removeprefix("Value error, ")
            faults.add(None, f"{where}: {_shown(fault['input'])}: {message}")
        faults.settle()
        raise


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
