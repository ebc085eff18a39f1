"""Calculations as rows: columns, JSON, the one statement that writes them."""

from datetime import UTC, datetime
from typing import Any

from database import Row, Statement
from spring import Spring

COLUMNS = (
    "id, manufacturer, part_number, material, units, d, big_d, n, k, "
    "version, updated_at, deleted, seq, digest"
)

_NEXT_SEQ = "(SELECT COALESCE(MAX(seq), 0) + 1 FROM calculations WHERE owner = excluded.owner)"

# The condition is inside the statement, so two devices that write at once cannot both win.
_UPSERT = f"""
INSERT INTO calculations (owner, id, manufacturer, part_number, material, units, d, big_d, n, k,
                          version, updated_at, digest, deleted, seq)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1, ?11, ?12, ?13,
        (SELECT COALESCE(MAX(seq), 0) + 1 FROM calculations WHERE owner = ?1))
ON CONFLICT (owner, id) DO UPDATE SET
  manufacturer = excluded.manufacturer, part_number = excluded.part_number, material = excluded.material,
  units = excluded.units, d = excluded.d, big_d = excluded.big_d, n = excluded.n, k = excluded.k,
  version = version + 1, updated_at = excluded.updated_at, digest = excluded.digest,
  deleted = excluded.deleted, seq = {_NEXT_SEQ}
"""

LAST_WRITE_WINS = (
    "WHERE (excluded.updated_at, excluded.digest) > (calculations.updated_at, calculations.digest)"
)
ONLY_A_TOMBSTONE = "WHERE calculations.deleted = 1"


def upsert(
    owner: str, record_id: str, spring: Spring, *, updated_at: str, deleted: bool, when: str
) -> Statement:
    """Write a calculation; over an existing one only where the condition ``when`` holds."""
    params = (
        owner,
        record_id,
        spring.manufacturer,
        spring.part_number,
        spring.material,
        spring.units,
        spring.d,
        spring.D,
        spring.n,
        spring.k,
        updated_at,
        spring.digest(deleted=deleted),
        int(deleted),
    )
    return _UPSERT + when, params


def to_json(row: Row) -> dict[str, Any]:
    """A row as clients see it."""
    return {
        "id": row["id"],
        "manufacturer": row["manufacturer"],
        "partNumber": row["part_number"],
        "material": row["material"],
        "units": row["units"],
        "d": row["d"],
        "D": row["big_d"],
        "n": row["n"],
        "k": row["k"],
        "version": row["version"],
        "updatedAt": row["updated_at"],
        "deleted": bool(row["deleted"]),
    }


def now() -> str:
    """The time as stored: UTC, milliseconds, fixed width, so that text order is time order."""
    return stamp(datetime.now(UTC))


def stamp(moment: datetime) -> str:
    """An aware datetime as stored."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
