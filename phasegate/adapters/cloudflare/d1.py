"""
D1 over Cloudflare's API: ``POST d1/database/<id>/query`` and time travel.

One request is one transaction: a migration and its row in ``d1_migrations`` are applied together or
not at all. ``wrangler d1 migrations list`` creates that table; a plan here only reads. A change is
sent once and never blindly again: what became of it is read from ``d1_migrations``.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from phasegate.adapters.cloudflare.client import CloudflareClient
from phasegate.adapters.cloudflare.envelope import Ambiguous, Rejected
from phasegate.adapters.cloudflare.writing import Patience, bring_about
from phasegate.domain.errors import Refused
from phasegate.domain.migrations import Migration
from phasegate.domain.sql import is_closed

# As wrangler makes it, so that both tools go on from each other's work.
CREATE = (
    "CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, "
    "applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)"
)
_OURS = "name NOT LIKE 'sqlite~_%' ESCAPE '~' AND name NOT LIKE '~_cf~_%' ESCAPE '~' AND sql IS NOT NULL"
_SCHEMA = f"SELECT name, sql FROM sqlite_master WHERE {_OURS} AND tbl_name <> 'd1_migrations' ORDER BY name"
_TABLES = f"SELECT name FROM sqlite_master WHERE type = 'table' AND {_OURS} ORDER BY name"
_KNOWN = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'd1_migrations'"
_APPLIED = "SELECT name FROM d1_migrations ORDER BY id"


class CloudflareD1:
    """D1 databases by their ids; the token needs D1 Write, also for reading by ``/query``."""

    def __init__(self, client: CloudflareClient, *, patience: Patience | None = None) -> None:
        self._client = client
        self._patience = patience or Patience()

    async def applied(self, database: str) -> tuple[str, ...]:
        """See `Database.applied`."""
        if not await self._rows(database, _KNOWN):
            return ()
        return tuple(str(row["name"]) for row in await self._rows(database, _APPLIED))

    async def schema(self, database: str) -> dict[str, str]:
        """See `Database.schema`."""
        return {str(row["name"]): str(row["sql"]) for row in await self._rows(database, _SCHEMA)}

    async def rows(self, database: str) -> dict[str, int]:
        """See `Database.rows`."""
        names = [str(row["name"]) for row in await self._rows(database, _TABLES)]
        counts = [await self._rows(database, f"SELECT count(*) AS n FROM {_quoted(name)}") for name in names]
        return {name: int(found[0]["n"]) for name, found in zip(names, counts, strict=True)}

    async def bookmark(self, database: str) -> str:
        """See `Database.bookmark`."""
        answer = await self._client.read(_path(database, "time_travel/bookmark"))
        return str(answer["bookmark"])

    async def apply(self, database: str, migration: Migration) -> None:
        """See `Database.apply`."""
        noted = f"INSERT INTO d1_migrations (name) VALUES ({_text(migration.name)})"
        sql = f"{CREATE};\n{_closed(migration.sql)}\n{noted};"

        async def done() -> bool | None:
            return migration.name in await self.applied(database) or None

        await self._bring_about(done, database, sql, what=f"migration {migration.name}")

    async def take_back(self, database: str, migration: Migration) -> None:
        """See `Database.take_back`."""

        async def done() -> bool | None:
            return migration.name not in await self.applied(database) or None

        what = f"taking back migration {migration.name}"
        await self._bring_about(done, database, taking_back(migration), what=what)

    async def restore(self, database: str, *, to: str, was: str | None) -> str:
        """See `Database.restore`."""
        previous = await self.bookmark(database)
        names = await self.applied(database)
        unclear = False

        async def moved() -> bool | None:
            # Every write of a user moves the bookmark; the list of migrations moves only with the data.
            return await self.applied(database) != names or None

        async def send() -> None:
            nonlocal previous, unclear
            if was is not None and (now := await self.bookmark(database)) != was:
                raise Refused(f"the database is at bookmark {now}, not at {was}: somebody wrote meanwhile")
            path = _path(database, "time_travel/restore")
            try:
                answer = await self._client.write("POST", path, params={"bookmark": to})
            except Ambiguous:
                unclear = True
                raise
            # One that was given up may have acted before; then this answer names what that one restored.
            previous = previous if unclear else str(answer["previous_bookmark"])

        what = f"restoring database {database} to {to}"
        await self._refusing(lambda: bring_about(moved, send, patience=self._patience, what=what), what=what)
        return previous

    async def _bring_about(
        self, done: Callable[[], Awaitable[bool | None]], database: str, sql: str, *, what: str
    ) -> None:
        async def send() -> object:
            return await self._client.write("POST", _path(database, "query"), json={"sql": sql})

        try:
            await bring_about(done, send, patience=self._patience, what=what)
        except Rejected as refusal:
            # Another driver may have been faster: its row makes ours a duplicate, and all is well.
            if await done() is None:
                raise Refused(f"{what} was refused by the database: {refusal.words}") from None

    async def _rows(self, database: str, sql: str) -> Sequence[Mapping[str, Any]]:
        path = _path(database, "query")

        async def ask() -> Any:
            return await self._client.ask(path, {"sql": sql})

        answer = await self._refusing(ask, what=f"reading database {database}")
        return list(answer[-1].get("results") or ())

    async def _refusing(self, act: Callable[[], Awaitable[Any]], *, what: str) -> Any:
        try:
            return await act()
        except Rejected as refusal:
            raise Refused(f"{what} was refused by the database: {refusal.words}") from None


def taking_back(migration: Migration) -> str:
    """
    One transaction: the down-SQL of *migration*, and its name struck.

    A request that was given up may still arrive. For a name that is not there the first
    statement breaks NOT NULL, so that down-SQL never runs a second time.
    """
    name = _text(migration.name)
    guard = (
        f"INSERT INTO d1_migrations (name, applied_at) SELECT {name}, NULL "
        f"WHERE NOT EXISTS (SELECT 1 FROM d1_migrations WHERE name = {name})"
    )
    return f"{guard};\n{_closed(migration.down)}\nDELETE FROM d1_migrations WHERE name = {name};"


def _path(database: str, rest: str) -> str:
    return f"d1/database/{quote(database, safe='')}/{rest}"


def _closed(sql: str) -> str:
    """A file may end in a comment or without a semicolon; what follows must be a statement of its own."""
    return sql if is_closed(sql) else f"{sql}\n;"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
