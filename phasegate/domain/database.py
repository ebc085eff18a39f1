"""The events of a release's database: what is due, what was applied, how it was taken back."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from phasegate.domain.happening import Happening
from phasegate.domain.migrations import Planned
from phasegate.domain.phase import Environment


class Way(StrEnum):
    """How a database is taken back."""

    DOWN = "down-sql"
    RESTORE = "restore"
    UNDO = "undo"


class ReturnOrder(BaseModel):
    """What a person wants done to a database: which way, who says so, in which role, why, at what loss."""

    model_config = ConfigDict(frozen=True)

    way: Way
    environment: Environment = Environment.PRODUCTION
    by: str = Field(min_length=3)
    reason: str = Field(min_length=3)
    role: str = ""
    accepted: str = ""


class MigrationsPlanned(Happening):
    """What a release is about to do to the database of one environment; read without writing."""

    kind: Literal["migrations-planned"] = "migrations-planned"
    environment: Environment
    database: str
    pending: tuple[Planned, ...]


class Migrating(Happening):
    """The first migration is about to be applied; *bookmark* and *tables* say how the database was."""

    kind: Literal["migrating"] = "migrating"
    environment: Environment
    bookmark: str
    tables: str = Field(description="Digest of the schema before.")


class Migrated(Happening):
    """Every migration that was due has been applied and read back."""

    kind: Literal["migrated"] = "migrated"
    environment: Environment
    names: tuple[str, ...]
    bookmark: str
    tables: str


class ReturnIntended(Happening):
    """A database is about to be taken back; without a later ``database-returned`` its effect is unknown."""

    kind: Literal["return-intended"] = "return-intended"
    environment: Environment
    way: Way
    bookmark: str = Field(description="Where the database is now.")
    to: str = Field(default="", description="The bookmark that is restored; empty for down-SQL.")
    by: str
    role: str = ""
    reason: str
    accepted: str = Field(default="", description="The loss that was accepted, in words.")


class DatabaseReturned(Happening):
    """A database was taken back; *previous* is the bookmark that undoes it."""

    kind: Literal["database-returned"] = "database-returned"
    environment: Environment
    way: Way
    bookmark: str = Field(description="Up to here nobody else wrote; what came since, an undoing loses.")
    previous: str
    as_before: bool = Field(description="Whether the schema is the one from before the release.")
    detail: str = ""


DatabaseEvent = MigrationsPlanned | Migrating | Migrated | ReturnIntended | DatabaseReturned
KINDS = ("migrations-planned", "migrating", "migrated", "return-intended", "database-returned")


class DatabaseState(BaseModel):
    """What the ledger knows of one environment's database in one release."""

    model_config = ConfigDict(frozen=True)

    database: str
    pending: tuple[Planned, ...] = ()
    before: Migrating | None = None
    after: Migrated | None = None
    migrated_at: datetime | None = None
    intended: ReturnIntended | None = None
    returned: DatabaseReturned | None = None

    @property
    def changed(self) -> bool:
        """Whether the release's migrations are, or may be, in the database now."""
        back = self.returned is not None and self.returned.way is not Way.UNDO
        return self.before is not None and not back

    @property
    def names(self) -> tuple[str, ...]:
        """The migrations of the release."""
        return tuple(each.name for each in self.pending)


def folded(state: DatabaseState | None, event: DatabaseEvent, at: datetime) -> DatabaseState:
    """The state after one of the events of this module."""
    if isinstance(event, MigrationsPlanned):
        return DatabaseState(database=event.database, pending=event.pending)
    if state is None:
        raise ValueError(f"{type(event).__name__} before any migration was planned")
    return state.model_copy(update=_changes(event, at))


def _changes(event: DatabaseEvent, at: datetime) -> dict[str, object]:
    match event:
        case Migrating():
            return {"before": event}
        case Migrated():
            return {"after": event, "migrated_at": at}
        case ReturnIntended():
            return {"intended": event}
        case DatabaseReturned():
            return {"intended": None, "returned": event}
    return {}
