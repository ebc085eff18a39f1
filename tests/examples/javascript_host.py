"""
Serves versions of the JavaScript sample on the edge's own runtime: ``javascript_host.py DIRECTORY``.

Each line of standard input is a version to start, ``{"project", "version", "environment", "migrated"}``;
each line of standard output is the port it answers at, or ``{"error": "…"}``.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from spring_rate import EXAMPLE

from phasegate.edge.d1 import Statement
from phasegate.edge.d1_databases import Databases
from phasegate.edge.inside import Inside
from phasegate.edge.model import Module, VersionRecord
from phasegate.edge.runtime import Runtime, StartupFailed
from phasegate.edge.splitter import Splitter
from phasegate.edge.state import State
from phasegate.edge.workerd import find_workerd


class Host:
    """The databases and processes of all versions that were asked for."""

    def __init__(self, directory: Path) -> None:
        state = State(None)
        self.databases = Databases(directory / "d1", state)
        self.inside = Inside(self.databases, state)
        self._directory = directory
        self._runtimes: dict[str, Runtime] = {}
        self._known: dict[str, str] = {}

    async def start(self) -> None:
        """Take the databases into service."""
        await self.inside.serve(self._directory / "inside.sock")

    async def close(self) -> None:
        """End every version."""
        for runtime in self._runtimes.values():
            await runtime.close()

    async def serve(self, asked: dict[str, Any]) -> int:
        """Start one version; the port that it answers at."""
        name = f"{asked['environment']}-{asked['migrated']}"
        database = await self._database(name, migrated=asked["migrated"])
        version = _version(asked, database)
        runtime = self._runtime(name)
        await runtime.start(version)
        splitter = Splitter(runtime, record=lambda _: None, default_worker=version.script)
        splitter.route(version.script, ((version.id, 100.0),))
        return await splitter.serve()

    def _runtime(self, name: str) -> Runtime:
        # The tests know a version's id by its tag, so each environment needs a runtime of its own.
        if name not in self._runtimes:
            self._runtimes[name] = Runtime(
                d1_socket=self._directory / "d1.sock",
                inside=self._directory / "inside.sock",
                workdir=self._directory / "run",
                workerd=find_workerd(),
            )
        return self._runtimes[name]

    async def _database(self, name: str, *, migrated: bool) -> str:
        if name not in self._known:
            self._known[name] = self.databases.create(name).id
            for file in sorted((EXAMPLE / "migrations").glob("*.sql")) if migrated else ():
                await self.databases.run(self._known[name], [Statement(file.read_text())])
        return self._known[name]


def _version(asked: dict[str, Any], database: str) -> VersionRecord:
    tag, environment = asked["version"], asked["environment"]
    bindings = [
        {"name": "ENVIRONMENT", "type": "plain_text", "text": environment},
        {"name": "VERSION", "type": "plain_text", "text": tag},
        {"name": "SESSION_SECRET", "type": "secret_text", "text": f"the secret of {environment}"},
        {"name": "CF_VERSION_METADATA", "type": "version_metadata"},
        {"name": "DB", "type": "d1", "id": database},
    ]
    modules = tuple(
        Module(file.name, "application/javascript+module", file.read_bytes())
        for file in sorted((Path(asked["project"]) / "src").glob("*.js"))
    )
    metadata = {
        "main_module": "index.js",
        "compatibility_date": "2026-02-15",
        "annotations": {"workers/tag": tag},
        "bindings": bindings,
    }
    return VersionRecord(f"id-of-{tag}", 1, "spring-rate-api", modules, metadata, "")


async def main(directory: Path) -> None:
    """Serve until standard input ends."""
    host = Host(directory)
    await host.start()
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            print(json.dumps(await host.serve(json.loads(line))), flush=True)
        except StartupFailed as error:
            print(json.dumps({"error": str(error)}), flush=True)
    await host.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
