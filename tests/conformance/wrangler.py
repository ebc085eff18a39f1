"""Runs the real wrangler against the edge, one command after the other, and notes what came of each."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recorder import Exchange, Recorder

from phasegate.adapters.toolchain import Node, Wrangler, find_node
from phasegate.edge.server import Edge

LIMIT = 120.0
MIGRATIONS = {
    "0001_notes.sql": "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL);\n",
    "0002_first.sql": "INSERT INTO notes (text) VALUES ('first');\n",
}
SEED = "INSERT INTO notes (text) VALUES ('a;b');\nINSERT INTO notes (text) VALUES ('c');\n"
WORKER = """export default {
  async fetch(request, env) {
    if (new URL(request.url).pathname === "/version") return Response.json(env.VERSION);
    const { results } = await env.DB.prepare("SELECT count(*) AS n FROM notes").all();
    return Response.json({ version: env.VERSION, notes: results[0].n });
  },
};
"""


@dataclass(frozen=True)
class Ran:
    """One command: how it ended, what it printed, what it asked of the API."""

    name: str
    arguments: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float
    exchanges: tuple[Exchange, ...]

    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)

    @property
    def calls(self) -> list[str]:
        """``METHOD path`` of each call, the account left out."""
        return [f"{each.method} {_short(each)} {each.status}" for each in self.exchanges]


@dataclass
class Session:
    """A project, an edge, and the commands that were run so far."""

    edge: Edge
    recorder: Recorder
    wrangler: Wrangler
    node: Node
    project: Path
    home: Path
    databases: list[str] = field(default_factory=list)
    ran: dict[str, Ran] = field(default_factory=dict)
    notes: dict[str, list[Any]] = field(default_factory=dict)

    async def run(
        self, name: str, *arguments: str, token: str | None = None, config: str = "wrangler.jsonc"
    ) -> Ran:
        """Run one command of wrangler in the project."""
        async with self._started(*arguments, token=token, config=config) as process:
            began = time.monotonic()
            out, err = await process.communicate()
        return self._noted(name, arguments, process, out, err=err, seconds=time.monotonic() - began)

    async def watch(self, name: str, *arguments: str, act: Callable[[], Awaitable[Any]]) -> Ran:
        """Run a command that goes on for ever: *act* is repeated until it prints, then it is ended."""
        async with self._started(*arguments) as process:
            began = time.monotonic()
            assert process.stdout is not None
            reading = asyncio.create_task(process.stdout.read(1))
            while not reading.done():
                await act()
                await asyncio.wait({reading}, timeout=0.2)
            if reading.result():
                process.terminate()
            rest, err = await process.communicate()
        out = reading.result() + rest
        return self._noted(name, arguments, process, out, err=err, seconds=time.monotonic() - began)

    @asynccontextmanager
    async def _started(
        self, *arguments: str, token: str | None = None, config: str = "wrangler.jsonc"
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """A command that is killed when it outlives the limit."""
        process = await asyncio.create_subprocess_exec(
            *(str(self.node.program), str(self.wrangler.script), *arguments),
            *("--config", config),
            cwd=self.project,
            env=self._environment(token or self.edge.token),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(LIMIT):
                yield process
        finally:
            if process.returncode is None:
                process.kill()

    def _noted(
        self,
        name: str,
        arguments: tuple[str, ...],
        process: asyncio.subprocess.Process,
        out: bytes,
        *,
        err: bytes,
        seconds: float,
    ) -> Ran:
        exchanges = tuple(self.recorder.take())
        code = process.returncode if process.returncode is not None else -1
        ran = Ran(name, arguments, code, out.decode(), err.decode(), seconds, exchanges)
        self.ran[name] = ran
        return ran

    def _environment(self, token: str) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "CLOUDFLARE_API_TOKEN": token,
            "CLOUDFLARE_ACCOUNT_ID": self.edge.account_id,
            "CLOUDFLARE_API_BASE_URL": self.recorder.url,
            "WRANGLER_SEND_METRICS": "false",
            "WRANGLER_WRITE_LOGS": "false",
            "WRANGLER_HIDE_BANNER": "true",
            # Each command would compile the same 10 MB of JavaScript.
            "NODE_COMPILE_CACHE": str(self.home / "compiled"),
            "NO_COLOR": "1",
            "CI": "1",
        }


def lay_out(project: Path, *, database: str, staging_database: str) -> None:
    """A Worker with a database, its migrations, and an environment for staging."""
    (project / "src").mkdir(parents=True)
    (project / "migrations").mkdir()
    (project / "seed.sql").write_text(SEED)
    (project / "wrong.sql").write_text(SEED + "INSERT INTO nowhere VALUES (1);\n")
    (project / "src" / "index.js").write_text(WORKER)
    (project / "src" / "broken.js").write_text('throw new Error("boom");\n' + WORKER)
    for name, sql in MIGRATIONS.items():
        (project / "migrations" / name).write_text(sql)

    def bound(database_id: str) -> list[dict[str, str]]:
        return [{"binding": "DB", "database_name": "notes", "database_id": database_id}]

    told = {
        "name": "demo",
        "main": "src/index.js",
        "compatibility_date": "2026-02-15",
        "vars": {"VERSION": "1"},
        "observability": {"enabled": True},
        "d1_databases": bound(database),
        "env": {"staging": {"vars": {"VERSION": "1"}, "d1_databases": bound(staging_database)}},
    }
    (project / "wrangler.jsonc").write_text("// what the commands read\n" + json.dumps(told, indent=2))
    (project / "public").mkdir()
    (project / "public" / "index.html").write_text("<h1>notes</h1>")
    (project / "public" / "style.css").write_text("h1 {}")
    assets = {"name": "pages", "assets": {"directory": "public", "binding": "ASSETS"}}
    (project / "pages.jsonc").write_text(json.dumps({**told, **assets}, indent=2))


def node_for(wrangler: Wrangler) -> Node:
    """A Node that this wrangler runs on."""
    return find_node(needs=wrangler.needs)


def transcript(session: Session) -> str:
    """The table of a session: command, exit code, seconds, and the calls that the edge saw."""
    title = f"wrangler {session.wrangler.version} on Node {session.node.version}"
    lines = [title, "-" * len(title)]
    for ran in session.ran.values():
        shown = " ".join(_plain(argument) for argument in ran.arguments)
        lines.append(f"{ran.code}  {ran.seconds:5.1f} s  wrangler {shown}")
        lines += [f"                {call}" for call in ran.calls]
    return "\n".join(lines) + "\n"


def keep(text: str, *, name: str, root: Path) -> Path:
    """Write *text* below ``build/conformance``."""
    path = root / "build" / "conformance" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _plain(argument: str) -> str:
    return f'"{argument}"' if " " in argument else argument or '""'


def _short(exchange: Exchange) -> str:
    path = exchange.path.removeprefix("/client/v4")
    pieces = ["<account>" if len(piece) == 32 else piece for piece in path.split("/")]
    return "/".join(pieces) + (f"?{exchange.query}" if exchange.query else "")
