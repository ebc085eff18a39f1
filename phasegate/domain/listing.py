"""What a ledger says of releases as such: who may act on one, and how it stands in a list."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Lease:
    """The right to act on one release until a time; ``fence`` grows with each new holder."""

    release: str
    holder: str
    fence: int
    expires_at: datetime


@dataclass(frozen=True)
class Row:
    """One release as a list shows it; ``seq`` is the number of its last event."""

    release: str
    service: str
    opened_at: datetime
    active: bool
    seq: int
