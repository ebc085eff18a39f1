"""Connections to the ledger's database: durable, with a limit on every wait."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from phasegate.adapters.ledger_address import Address
from phasegate.adapters.sqlite_cursors import close_failed_cursors
from phasegate.domain.errors import SettingsError


def engines(address: Address, *, limit: float) -> tuple[AsyncEngine, AsyncEngine]:
    """
    The engines for writing and for reading; no call waits longer than *limit* seconds.

    Raises SettingsError when the URL has parameters that cannot be used.
    """
    if address.path is None:
        engine = _postgres(address, limit)
        return engine, engine
    return _sqlite(address, limit, writes=True), _sqlite(address, limit, writes=False)


def _sqlite(address: Address, limit: float, *, writes: bool) -> AsyncEngine:
    close_failed_cursors()
    # SQLite has one writer. Queueing for one connection is fair; polling a lock from many is not.
    engine = create_async_engine(
        address.url,
        hide_parameters=True,
        pool_size=1 if writes else 4,
        max_overflow=0,
        pool_timeout=limit,
        connect_args={"timeout": limit},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _: object) -> None:
        # The driver's own transactions begin too late to protect a read before a write.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.execute(f"PRAGMA query_only={'OFF' if writes else 'ON'}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres(address: Address, limit: float) -> AsyncEngine:
    # The pool may hand out a connection that died with the server; a ping replaces it unnoticed.
    try:
        return create_async_engine(
            address.url,
            hide_parameters=True,
            isolation_level="READ COMMITTED",
            pool_size=5,
            max_overflow=5,
            pool_timeout=limit,
            pool_pre_ping=True,
            connect_args={
                **address.asked.connect,
                "timeout": _within(limit, address.asked.seconds.get("timeout")),
                "command_timeout": _within(limit, address.asked.seconds.get("command_timeout")),
                "server_settings": {
                    "application_name": address.asked.application,
                    "lock_timeout": f"{round(limit * 1000)}ms",
                    "idle_in_transaction_session_timeout": f"{round(limit * 1000)}ms",
                },
            },
        )
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"the ledger {address.name} has parameters that cannot be used: {error}"
        ) from None


def _within(limit: float, asked: float | None) -> float:
    """A URL may ask for less patience, not for more; nothing and less are libpq's words for no limit."""
    return min(limit, asked) if asked is not None and asked > 0 else limit
