"""The ledger's tables, one schema for SQLite and Postgres, and how they come to be."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from phasegate.domain.errors import SettingsError

VERSION = 1
_CREATION_LOCK = 0x70686173656761  # any constant; every creator of this schema takes the same one


class Instant(TypeDecorator[datetime]):
    """
    A time in UTC to the microsecond: timestamptz in Postgres, sortable text in SQLite.

    Raises ValueError for a time without a zone.
    """

    impl = String(32)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime]:
        """The column type of the database in use."""
        kind: Any = postgresql.TIMESTAMP(timezone=True) if dialect.name == "postgresql" else String(32)
        return cast(TypeEngine[datetime], dialect.type_descriptor(kind))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        """To the database."""
        if value is None:
            return None
        value = utc(value)
        return value if dialect.name == "postgresql" else value.isoformat(timespec="microseconds")

    def process_result_value(self, value: datetime | str | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        return utc(value) if isinstance(value, datetime) else _parsed(value)


def utc(value: datetime) -> datetime:
    """The same instant in UTC; raises ValueError when *value* has no zone."""
    if value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no time zone; the ledger keeps UTC only")
    return value.astimezone(UTC)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> datetime:
    """The list of releases is read every turn, with the same times in it."""
    return utc(datetime.fromisoformat(text))


METADATA = MetaData()

SCHEMA = Table("ledger_schema", METADATA, Column("version", Integer, primary_key=True))

RELEASES = Table(
    "ledger_releases",
    METADATA,
    Column("release", String, primary_key=True),
    Column("service", String, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("active", Boolean, nullable=False),
)
Index(
    "ledger_one_active_release",
    RELEASES.c.service,
    unique=True,
    sqlite_where=RELEASES.c.active,
    postgresql_where=RELEASES.c.active,
)

# Without a rowid there is no second key by which a row could be replaced past the triggers.
EVENTS = Table(
    "ledger_events",
    METADATA,
    Column("release", ForeignKey(RELEASES.c.release), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("by", Text, nullable=False),
    Column("kind", String, nullable=False),
    Column("event", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ledger_events_by_kind", "kind", "release"),
    sqlite_with_rowid=False,
)

LEASES = Table(
    "ledger_leases",
    METADATA,
    Column("release", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

MINUTES = Table(
    "ledger_minutes",
    METADATA,
    Column("release", ForeignKey(RELEASES.c.release), primary_key=True),
    Column("worker", String, primary_key=True),
    Column("start", Instant, primary_key=True),
    Column("body", Text, nullable=False),
)

PROBES = Table(
    "ledger_probes",
    METADATA,
    Column("release", ForeignKey(RELEASES.c.release), primary_key=True),
    Column("at", Instant, primary_key=True),
    Column("url", String, primary_key=True),
    Column("body", Text, nullable=False),
)

BEATS = Table(
    "ledger_beats",
    METADATA,
    Column("keeper", String, primary_key=True),
    Column("at", Instant, nullable=False),
)

_SQLITE_GUARDS = (
    """CREATE TRIGGER ledger_events_update BEFORE UPDATE ON ledger_events
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: no event is changed'); END""",
    """CREATE TRIGGER ledger_events_delete BEFORE DELETE ON ledger_events
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: no event is deleted'); END""",
    # INSERT OR REPLACE deletes without firing the delete trigger, so it is refused here.
    """CREATE TRIGGER ledger_events_insert BEFORE INSERT ON ledger_events
       WHEN EXISTS (SELECT 1 FROM ledger_events WHERE release = NEW.release AND seq = NEW.seq)
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: no event is replaced'); END""",
)
_POSTGRES_GUARDS = (
    """CREATE FUNCTION ledger_events_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         RAISE EXCEPTION 'the ledger is append-only: % is refused', TG_OP
           USING ERRCODE = 'integrity_constraint_violation';
       END $$""",
    """CREATE TRIGGER ledger_events_change BEFORE UPDATE OR DELETE ON ledger_events
       FOR EACH ROW EXECUTE FUNCTION ledger_events_refuse()""",
    """CREATE TRIGGER ledger_events_truncate BEFORE TRUNCATE ON ledger_events
       FOR EACH STATEMENT EXECUTE FUNCTION ledger_events_refuse()""",
)


def present(connection: Connection, name: str) -> bool:
    """Whether the database holds a ledger; raises SettingsError when a newer phasegate wrote it."""
    if not inspect(connection).has_table(SCHEMA.name):
        return False
    found = connection.scalar(select(SCHEMA.c.version))
    if found is None or found > VERSION:
        raise SettingsError(
            f"the ledger {name} has schema {found}, this phasegate knows schema {VERSION}; "
            "use the phasegate that wrote it, or a newer one"
        )
    return True


def create(connection: Connection, name: str) -> None:
    """Create the schema once, in the transaction of *connection*, however many processes try."""
    postgres = connection.dialect.name == "postgresql"
    if postgres:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREATION_LOCK})
    if present(connection, name):
        return
    METADATA.create_all(connection)
    for guard in _POSTGRES_GUARDS if postgres else _SQLITE_GUARDS:
        connection.exec_driver_sql(guard)
    connection.execute(insert(SCHEMA).values(version=VERSION))
