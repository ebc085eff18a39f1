"""
SQL that arrives as a file: it is uploaded to an address of its own, then run as one transaction.

Cloudflare takes the file into object storage by a signed address; here the address itself is the proof.
"""

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from phasegate.edge.d1 import Database, Outcome, Statement
from phasegate.edge.d1_databases import Databases
from phasegate.edge.d1_sql import D1Error
from phasegate.edge.envelope import ApiError

MOST_BYTES = 64 * 1024 * 1024
MOST_FILES = 16
# How long an answer waits for the end, so that small files need no second question.
PATIENCE = 2.0


@dataclass(frozen=True)
class Running:
    """A file that is being run; *bookmark* is where the database was when it began."""

    bookmark: str
    task: asyncio.Task[tuple[list[Outcome], str]]


class Imports:
    """
    The files and runs of one edge; none outlives it.

    A database has one run at a time, and its last one is kept for those who ask late.
    """

    def __init__(self, databases: Databases, *, patience: float = PATIENCE) -> None:
        self._databases = databases
        self._patience = patience
        self._expected: dict[str, str] = {}
        self._files: dict[str, str] = {}
        self._running: dict[str, Running] = {}

    def expect(self, database: str, etag: str) -> tuple[str, str] | None:
        """The ticket and the name for a file of MD5 *etag*; None when that file is here already."""
        name = f"{database}.{etag}.sql"
        if name in self._files:
            return None
        ticket = secrets.token_urlsafe(24)
        self._expected[ticket] = name
        _forget_oldest(self._expected)
        return ticket, name

    def take(self, ticket: str, data: bytes) -> str:
        """Keep the file that *ticket* was given for; its MD5. A ticket is good for one upload."""
        name = self._expected.pop(ticket, "")
        if not name:
            raise ApiError(403, 10000, "this address takes no upload, or has taken it already")
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if name.split(".")[1] != etag:
            raise ApiError(400, 7500, f"the file's MD5 is {etag}, and another was announced")
        try:
            self._files[name] = data.decode()
        except UnicodeDecodeError as error:
            raise ApiError(400, 7500, f"the file is no text in UTF-8: {error}") from None
        _forget_oldest(self._files)
        return etag

    async def begin(self, database: str, etag: str) -> dict[str, Any]:
        """Run the uploaded file of *etag*; its progress in D1's form."""
        known = self._running.get(database)
        if known and not known.task.done():
            raise ApiError(409, 7500, "another import of this database is running; poll it")
        sql = self._files.pop(f"{database}.{etag}.sql", None)
        if sql is None:
            raise ApiError(400, 7500, "there is no such file; ask to init an import, and upload it first")
        bookmark = await self._databases.use(database, lambda each: each.bookmark())
        task = asyncio.create_task(self._databases.use(database, lambda each: _run(each, sql)))
        self._running[database] = Running(bookmark, task)
        return await self.progress(database)

    async def progress(self, database: str) -> dict[str, Any]:
        """How the database's last import stands, in D1's form; waits a moment for its end."""
        running = self._running.get(database)
        if running is None:
            raise ApiError(400, 7500, "no import of this database is running")
        told = {"success": True, "type": "import", "at_bookmark": running.bookmark, "messages": []}
        done, _ = await asyncio.wait({running.task}, timeout=self._patience)
        if not done:
            return told | {"status": "active"}
        try:
            outcomes, bookmark = running.task.result()
        except D1Error as error:
            return told | {"status": "error", "error": str(error), "errors": [str(error)]}
        return told | {"status": "complete", "result": _summary(outcomes, bookmark)}

    async def close(self) -> None:
        """Let what runs come to its end; nobody will ask for it."""
        await asyncio.gather(*(each.task for each in self._running.values()), return_exceptions=True)


def _run(database: Database, sql: str) -> tuple[list[Outcome], str]:
    return database.run([Statement(sql)]), database.bookmark()


def _summary(outcomes: list[Outcome], bookmark: str) -> dict[str, Any]:
    """``{num_queries, final_bookmark, meta}``: what the statements did together."""
    last = outcomes[-1].meta
    sums = ("duration", "changes", "rows_read", "rows_written")
    meta = last | {name: sum(each.meta[name] for each in outcomes) for name in sums}
    return {"num_queries": len(outcomes), "final_bookmark": bookmark, "meta": meta}


def _forget_oldest(kept: dict[str, Any]) -> None:
    while len(kept) > MOST_FILES:
        del kept[next(iter(kept))]
