"""Scripts, versions, deployments and databases, in one SQLite file (or in memory only)."""

import json
import sqlite3
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from phasegate.edge.model import DeploymentRecord, Module, VersionRecord

DEPLOYABLE = 100
MESSAGE_BYTES = 1000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS scripts (
    name TEXT PRIMARY KEY, created_on TEXT NOT NULL, tag TEXT NOT NULL,
    settings TEXT NOT NULL, secret_state INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS versions (
    id TEXT PRIMARY KEY, script TEXT NOT NULL REFERENCES scripts (name) ON DELETE CASCADE,
    number INTEGER NOT NULL, created_on TEXT NOT NULL, metadata TEXT NOT NULL,
    secret_state INTEGER NOT NULL, startup_ms INTEGER NOT NULL,
    UNIQUE (script, number));
CREATE TABLE IF NOT EXISTS modules (
    version TEXT NOT NULL REFERENCES versions (id) ON DELETE CASCADE, position INTEGER NOT NULL,
    name TEXT NOT NULL, content_type TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (version, position));
CREATE TABLE IF NOT EXISTS deployments (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    script TEXT NOT NULL REFERENCES scripts (name) ON DELETE CASCADE, created_on TEXT NOT NULL,
    versions TEXT NOT NULL, source TEXT NOT NULL, annotations TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS databases (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_on TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS assets (hash TEXT PRIMARY KEY, content_type TEXT NOT NULL, data BLOB NOT NULL);
"""


def now() -> str:
    """This moment as Cloudflare writes it: ISO 8601, microseconds, ``Z``."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class ScriptRecord:
    """A Worker: its *tag* is its id, *secret_state* counts the edits of its secrets."""

    name: str
    created_on: str
    tag: str
    settings: Mapping[str, Any]
    secret_state: int


@dataclass(frozen=True)
class DatabaseRecord:
    """A D1 database."""

    id: str
    name: str
    created_on: str


class State:
    """The only memory of the control plane; *path* ``None`` keeps it in memory."""

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.touch(mode=0o600)
        self._rows = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._rows.execute("PRAGMA foreign_keys = ON")
        self._rows.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._rows.close()

    def scripts(self) -> tuple[str, ...]:
        """The names of all Workers."""
        return tuple(row[0] for row in self._rows.execute("SELECT name FROM scripts ORDER BY name"))

    def script(self, name: str) -> ScriptRecord | None:
        """The Worker *name*, if it exists."""
        row = self._rows.execute("SELECT * FROM scripts WHERE name = ?", (name,)).fetchone()
        return ScriptRecord(row[0], row[1], row[2], json.loads(row[3]), row[4]) if row else None

    def create_script(self, name: str) -> None:
        """Let the Worker *name* exist, if it does not yet."""
        row = (name, now(), uuid.uuid4().hex, "{}", 0)
        self._rows.execute("INSERT OR IGNORE INTO scripts VALUES (?, ?, ?, ?, ?)", row)

    def delete_script(self, name: str) -> None:
        """Forget the Worker *name*, its versions and deployments."""
        self._rows.execute("DELETE FROM scripts WHERE name = ?", (name,))

    def change_settings(self, name: str, change: Mapping[str, Any]) -> Mapping[str, Any]:
        """Lay *change* over the unversioned settings and return them all."""
        script = self.script(name)
        settings = {**(script.settings if script else {}), **change}
        self._rows.execute("UPDATE scripts SET settings = ? WHERE name = ?", (json.dumps(settings), name))
        return settings

    def secrets_edited(self, name: str) -> None:
        """Note that secrets of *name* were edited: versions before this have others."""
        self._rows.execute("UPDATE scripts SET secret_state = secret_state + 1 WHERE name = ?", (name,))

    def draft(self, script: str, modules: tuple[Module, ...], metadata: Mapping[str, Any]) -> VersionRecord:
        """The next version of *script*, not stored yet."""
        sql = "SELECT coalesce(max(number), 0) + 1 FROM versions WHERE script = ?"
        (number,) = self._rows.execute(sql, (script,)).fetchone()
        return VersionRecord(str(uuid.uuid4()), number, script, modules, dict(metadata), now())

    def add_version(
        self, version: VersionRecord, *, startup_ms: int, deployment: DeploymentRecord | None = None
    ) -> None:
        """Store *version*, which carries the Worker's secrets of now; with its *deployment* or neither."""
        script = self.script(version.script)
        secret_state = script.secret_state if script else 0
        row = (version.id, version.script, version.number, version.created_on, json.dumps(version.metadata))
        with self._transaction():
            self._rows.execute(
                "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, secret_state, startup_ms)
            )
            self._rows.executemany(
                "INSERT INTO modules VALUES (?, ?, ?, ?, ?)",
                [
                    (version.id, position, module.name, module.content_type, module.data)
                    for position, module in enumerate(version.modules)
                ],
            )
            if deployment is not None:
                self.add_deployment(deployment)

    def version(self, script: str, version_id: str) -> VersionRecord | None:
        """A version with its modules."""
        sql = "SELECT id, number, created_on, metadata FROM versions WHERE script = ? AND id = ?"
        row = self._rows.execute(sql, (script, version_id)).fetchone()
        if row is None:
            return None
        sql = "SELECT name, content_type, data FROM modules WHERE version = ? ORDER BY position"
        modules = tuple(Module(*each) for each in self._rows.execute(sql, (version_id,)))
        return VersionRecord(row[0], row[1], script, modules, json.loads(row[3]), row[2])

    def versions(self, script: str, *, limit: int = DEPLOYABLE) -> tuple[VersionRecord, ...]:
        """The newest versions, newest first, without their modules."""
        sql = "SELECT id, number, created_on, metadata FROM versions WHERE script = ?"
        newest = f"{sql} ORDER BY number DESC LIMIT ?"
        return tuple(
            VersionRecord(row[0], row[1], script, (), json.loads(row[3]), row[2])
            for row in self._rows.execute(newest, (script, limit))
        )

    def standing(self, version_id: str) -> tuple[int, int]:
        """The secret state and the start-up milliseconds that *version_id* was stored with."""
        sql = "SELECT secret_state, startup_ms FROM versions WHERE id = ?"
        row = self._rows.execute(sql, (version_id,)).fetchone()
        return (row[0], row[1]) if row else (0, 0)

    def add_deployment(self, record: DeploymentRecord) -> None:
        """Store a deployment as the current one."""
        row = (record.id, record.script, record.created_on, json.dumps(record.versions), record.source)
        self._rows.execute(
            "INSERT INTO deployments (id, script, created_on, versions, source, annotations) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (*row, json.dumps(record.annotations)),
        )

    def withdraw(self, deployment: DeploymentRecord) -> None:
        """Forget a deployment that could not take effect."""
        self._rows.execute("DELETE FROM deployments WHERE id = ?", (deployment.id,))

    def deployments(self, script: str, *, limit: int = 1000) -> tuple[DeploymentRecord, ...]:
        """The deployments of *script*, newest first."""
        sql = "SELECT * FROM deployments WHERE script = ? ORDER BY sequence DESC LIMIT ?"
        return tuple(_deployment(row) for row in self._rows.execute(sql, (script, limit)))

    def live(self, script: str) -> DeploymentRecord | None:
        """The current deployment of *script*."""
        newest = self.deployments(script, limit=1)
        return newest[0] if newest else None

    def databases(self) -> tuple[DatabaseRecord, ...]:
        """All databases, oldest first."""
        return tuple(
            DatabaseRecord(*row) for row in self._rows.execute("SELECT * FROM databases ORDER BY rowid")
        )

    def add_database(self, name: str) -> DatabaseRecord:
        """Store a new database; `sqlite3.IntegrityError` when the name is taken."""
        record = DatabaseRecord(str(uuid.uuid4()), name, now())
        self._rows.execute(
            "INSERT INTO databases VALUES (?, ?, ?)", (record.id, record.name, record.created_on)
        )
        return record

    def delete_database(self, database_id: str) -> None:
        """Forget a database."""
        self._rows.execute("DELETE FROM databases WHERE id = ?", (database_id,))

    def add_asset(self, digest: str, content_type: str, data: bytes) -> None:
        """Store a file of static assets; equal digests are equal files."""
        self._rows.execute("INSERT OR REPLACE INTO assets VALUES (?, ?, ?)", (digest, content_type, data))

    def asset(self, digest: str) -> tuple[str, bytes] | None:
        """The content type and the bytes of a stored file."""
        sql = "SELECT content_type, data FROM assets WHERE hash = ?"
        row = self._rows.execute(sql, (digest,)).fetchone()
        return (row[0], row[1]) if row else None

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._rows)


class _Transaction:
    def __init__(self, rows: sqlite3.Connection) -> None:
        self._rows = rows

    def __enter__(self) -> None:
        self._rows.execute("BEGIN")

    def __exit__(self, kind: object, *_: object) -> None:
        self._rows.execute("COMMIT" if kind is None else "ROLLBACK")


def _deployment(row: tuple[Any, ...]) -> DeploymentRecord:
    _, deployment_id, script, created_on, versions, source, annotations = row
    shares = tuple((str(version), float(share)) for version, share in json.loads(versions))
    return DeploymentRecord(deployment_id, script, shares, created_on, source, json.loads(annotations))
