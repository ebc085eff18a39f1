"""All D1 databases of the edge; each has a thread, because SQLite blocks."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from phasegate.edge.d1 import Database, Outcome, Statement
from phasegate.edge.d1_sql import D1Error
from phasegate.edge.state import DatabaseRecord, State

T = TypeVar("T")


class NoDatabase(D1Error):
    """There is no database of that id."""


@dataclass
class _Open:
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="d1"))
    database: Database | None = None


class Databases:
    """Opens databases in *directory* when they are first used."""

    def __init__(self, directory: Path, state: State) -> None:
        self._directory = directory
        self._state = state
        self._open: dict[str, _Open] = {}
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def create(self, name: str) -> DatabaseRecord:
        """A new, empty database. Raises `D1Error` when the name is taken."""
        try:
            return self._state.add_database(name)
        except sqlite3.IntegrityError:
            raise D1Error(f"a database with the name {name!r} already exists") from None

    def record(self, database_id: str) -> DatabaseRecord:
        """What is known of a database. Raises `NoDatabase`."""
        for record in self._state.databases():
            if record.id == database_id:
                return record
        raise NoDatabase(f"no database {database_id}")

    async def run(self, database_id: str, statements: list[Statement]) -> list[Outcome]:
        """Run *statements* as one transaction. Raises `D1Error`."""
        return await self.use(database_id, lambda database: database.run(statements))

    async def use(self, database_id: str, work: Callable[[Database], T]) -> T:
        """Have *work* done with the database, alone and in its thread."""
        opened = self._open.get(database_id)
        if opened is None:
            self.record(database_id)
            opened = self._open.setdefault(database_id, _Open())
        return await asyncio.get_running_loop().run_in_executor(
            opened.thread, self._work, database_id, opened, work
        )

    async def delete(self, database_id: str) -> None:
        """Forget a database and remove its files."""
        self.record(database_id)
        self._state.delete_database(database_id)
        await asyncio.to_thread(self._shut, self._open.pop(database_id, None))
        for path in self._directory.glob(f"{database_id}.*"):
            path.unlink()

    async def close(self) -> None:
        """Close all databases; what was asked before is done first."""
        for opened in self._open.values():
            await asyncio.to_thread(self._shut, opened)
        self._open.clear()

    def _work(self, database_id: str, opened: _Open, work: Callable[[Database], T]) -> T:
        if opened.database is None:
            opened.database = Database(self._directory / f"{database_id}.sqlite", name=database_id)
        return work(opened.database)

    def _shut(self, opened: _Open | None) -> None:
        if opened is None:
            return
        opened.thread.shutdown(wait=True)
        if opened.database is not None:
            opened.database.close()
