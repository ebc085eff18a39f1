"""What a database's errors mean to the one who has to act."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from phasegate.domain.errors import LedgerBroken, LedgerBusy, PhasegateError, SettingsError

_NOT_A_LEDGER = {"SQLITE_NOTADB", "SQLITE_ERROR"}
_NOT_ALLOWED = {"SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH"}
_LOCKED = {"SQLITE_BUSY", "SQLITE_LOCKED"}
# https://www.postgresql.org/docs/current/errcodes-appendix.html: authorization, no such database,
# no privilege, no such table, no such schema.
_FIX = ("28", "3D000", "42501", "42P01", "3F000")
_AWAY = (
    DBAPIError,
    PoolTimeout,
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    sqlite3.Error,
)


@contextmanager
def database_errors(name: str, *, limit: float) -> Iterator[None]:
    """
    Turn what the driver raises into the errors of the domain; *limit* in seconds.

    Integrity errors pass, since only the caller knows which rule of the ledger they stand for.
    """
    try:
        yield
    except IntegrityError:
        raise
    except _AWAY as error:
        raise _meaning(error, name, limit) from error
    except StatementError as error:
        # A value that cannot be stored, such as a time without a zone, is the caller's fault.
        raise error.orig or error from None


def _meaning(error: Exception, name: str, limit: float) -> PhasegateError:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    said = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    if state := str(getattr(cause, "sqlstate", "") or ""):
        return _postgres(state, name, said)
    if code := getattr(cause, "sqlite_errorname", ""):
        return _sqlite(str(code), name, said, limit)
    return LedgerBusy(
        f"the ledger {name} does not answer: {said}; check that the database runs and can be reached, "
        "then try again"
    )


def _sqlite(code: str, name: str, said: str, limit: float) -> PhasegateError:
    kind = "_".join(code.split("_")[:2])
    if kind in _LOCKED:
        return LedgerBusy(
            f"the ledger {name} was locked by another process for more than {limit:g} s; try again, "
            "and if it stays locked find the process that has the file open"
        )
    if kind in _NOT_A_LEDGER:
        return SettingsError(f"{name} is not a ledger: {said}; name the ledger's file, or one not there yet")
    if kind in _NOT_ALLOWED:
        return SettingsError(f"the ledger {name} cannot be opened for writing: {said}; check path and rights")
    if kind == "SQLITE_CORRUPT":
        return LedgerBroken(f"the ledger {name} is damaged: {said}; restore the file from a backup")
    return LedgerBusy(f"the ledger {name} could not be used: {said}; check disk and file, then try again")


def _postgres(state: str, name: str, said: str) -> PhasegateError:
    if state.startswith(_FIX):
        return SettingsError(f"the ledger {name} cannot be used: {said}; check user, database and rights")
    return LedgerBusy(f"the ledger {name} does not answer as it should: {said} ({state}); try again")
