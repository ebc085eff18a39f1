"""What Prefect's records and refusals mean."""

import re
from typing import Any
from uuid import UUID

from phasegate.ports import RunStatus

_STATES = {
    "SCHEDULED": RunStatus.ACTIVE,
    "PENDING": RunStatus.ACTIVE,
    "RUNNING": RunStatus.ACTIVE,
    "CANCELLING": RunStatus.CANCELLED,
    "CANCELLED": RunStatus.CANCELLED,
    "FAILED": RunStatus.LOST,
    "CRASHED": RunStatus.LOST,
    "COMPLETED": RunStatus.DONE,
}
OVER = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
_IN_WORDS = (
    (re.compile(r"'([^']+)' is a required property"), r"field '\1' is missing"),
    (re.compile(r"Additional properties are not allowed \((.+) (?:was|were) unexpected\)"), r"unknown: \1"),
    (re.compile(r"^(?:Error creating flow run: |Reason: )+"), ""),
    (re.compile(r"Validation failed for field '([^']+)'\. Failure reason: "), r"\1: "),
    (re.compile(r"^Validation failed\. Failure reason: "), ""),
)


def run_status(record: dict[str, Any]) -> RunStatus:
    """Only a run that gave its process up counts as suspended; "Paused" polls in a live one."""
    if record["state_type"] == "PAUSED":
        return RunStatus.SUSPENDED if record["state_name"] == "Suspended" else RunStatus.ACTIVE
    return _STATES.get(record["state_type"] or "SCHEDULED", RunStatus.UNKNOWN)


def waits(record: dict[str, Any]) -> bool:
    """Whether the run can be resumed: it gave its process up, or polls in a live one."""
    return bool(record["state_type"] == "PAUSED")


def keyset(record: dict[str, Any]) -> dict[str, str] | None:
    """Where the form of a run that waits for input is stored; None when it waits without one."""
    details = (record.get("state") or {}).get("state_details") or {}
    form: dict[str, str] | None = details.get("run_input_keyset")
    return form


def is_id(run: str) -> bool:
    """Whether *run* can be the id of a run at all."""
    try:
        UUID(run)
    except ValueError:
        return False
    return True


def in_words(text: str) -> str:
    """A refusal by a JSON schema as a person reads it."""
    for pattern, words in _IN_WORDS:
        text = pattern.sub(words, text)
    return text
