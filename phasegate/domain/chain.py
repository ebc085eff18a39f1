"""The chain of hashes over a release's rows: what makes a change to the past visible."""

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime

from phasegate.domain import events as e

GENESIS = "0" * 64


def chain(previous: str, *, release: str, seq: int, at: datetime, by: str, event: e.Event) -> str:
    """The hash of one row: SHA-256 over the previous hash and the row's canonical JSON."""
    body = {
        "release": release,
        "seq": seq,
        "at": at.isoformat(),
        "by": by,
        "event": event.model_dump(mode="json"),
    }
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


def first_break(rows: Iterable[e.Recorded]) -> str:
    """
    Where the chain breaks, in words; empty when it holds.

    A row breaks it when its number is not the next, its ``previous`` is not the
    hash of the row before, or its own hash is not that of its content.
    """
    previous = GENESIS
    for seq, row in enumerate(rows, start=1):
        if row.seq != seq:
            return f"row {seq} is missing: the next one is numbered {row.seq}"
        if row.previous != previous:
            return f"row {seq} does not follow row {seq - 1}: its previous hash is {row.previous[:12]}…"
        if chain(previous, release=row.release, seq=seq, at=row.at, by=row.by, event=row.event) != row.hash:
            return f"row {seq} ({row.event.kind}) was changed after it was written"
        previous = row.hash
    return ""
