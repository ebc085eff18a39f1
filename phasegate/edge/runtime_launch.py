"""The two ways to start a version: Python served by this edge's own program, JavaScript by ``workerd``."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from phasegate.edge.forks import CONTROL_LINE, Child, Forks, child_environment
from phasegate.edge.model import VersionRecord
from phasegate.edge.runtime_modules import Language, StartupFailed, main_module, write_modules
from phasegate.edge.workerd import HOW_TO_GET_IT
from phasegate.edge.workerd_config import Sockets, configuration


class Launch(Protocol):
    """How one version is started."""

    @property
    def root(self) -> Path:
        """Its directory."""

    @property
    def socket(self) -> Path:
        """Where it listens."""

    async def begin(self) -> Child:
        """Start its process. Raises StartupFailed, OSError."""

    @property
    def first_words(self) -> bytes:
        """What is written to its standard input."""

    def ready(self, line: bytes) -> bool:
        """Whether *line* of its standard output says that it serves. Raises StartupFailed if it says no."""

    def why(self, lines: Sequence[str]) -> str:
        """What it died of, in its own last words; empty when it said nothing."""


@dataclass(frozen=True)
class Places:
    """What running versions need of the edge: its sockets, what forks, and ``workerd`` if there is one."""

    d1: Path
    inside: Path
    workerd: Path | None
    forks: Forks


def prepare(version: VersionRecord, *, root: Path, socket: Path, places: Places) -> Launch:
    """Write what *version* needs below *root*. Raises StartupFailed for what cannot run here."""
    main, language = main_module(version)
    if language is Language.PYTHON:
        write_modules(version, language, root)
        return PythonLaunch(root, socket, main, places.d1, version, places.forks)
    if places.workerd is None:
        raise StartupFailed(f"{main} is JavaScript, which workerd runs, and there is none: {HOW_TO_GET_IT}")
    write_modules(version, language, root / "modules")
    told = configuration(version, main_module=main, sockets=Sockets(socket, places.inside))
    path = root / "config.capnp"
    # It holds the secrets of the version.
    path.touch(mode=0o600)
    path.write_text(told)
    return WorkerdLaunch(root, socket, places.workerd)


@dataclass(frozen=True)
class PythonLaunch:
    """`phasegate.edge.worker_process`: it reads its configuration and answers one line of JSON."""

    root: Path
    socket: Path
    main_module: str
    d1_socket: Path
    version: VersionRecord
    forks: Forks

    async def begin(self) -> Child:
        """Our own program, forked."""
        return await self.forks.fork(self.root)

    @property
    def first_words(self) -> bytes:
        """The configuration; it holds secrets, so it travels by the pipe."""
        told: dict[str, Any] = {
            "root": str(self.root),
            "main_module": self.main_module,
            "socket": str(self.socket),
            "d1_socket": str(self.d1_socket),
            "bindings": self.version.bindings,
            "version": self.version.shown,
        }
        return json.dumps(told).encode() + b"\n"

    def ready(self, line: bytes) -> bool:
        """``{"ready": true}``, or ``{"error": "…"}``."""
        answer = json.loads(line)
        if "error" in answer:
            raise StartupFailed(answer["error"])
        return True

    def why(self, lines: Sequence[str]) -> str:
        """Python says it in the last line of a traceback."""
        return next((line for line in reversed(lines) if line.strip()), "")


@dataclass(frozen=True)
class WorkerdLaunch:
    """``workerd serve``: it runs every module's top level first, and only then reports that it listens."""

    root: Path
    socket: Path
    program: Path

    async def begin(self) -> Child:
        """The program, tied to our life."""
        tied = (sys.executable, "-P", "-S", "-m", "phasegate.edge.workerd_exec", str(os.getpid()))
        # Spawned on the loop's own thread: the kernel ties the child's life to the thread that forked it.
        return await asyncio.create_subprocess_exec(
            *(*tied, str(self.program), "serve", "config.capnp", "config", "--control-fd=1"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=child_environment(os.environ),
            cwd=self.root,
            limit=CONTROL_LINE,
        )

    @property
    def first_words(self) -> bytes:
        """Nothing; it reads a file."""
        return b""

    def ready(self, line: bytes) -> bool:
        """``{"event": "listen", …}``; other lines are what the modules logged while they were loaded."""
        try:
            said = json.loads(line)
        except ValueError:
            return False
        return isinstance(said, dict) and said.get("event") == "listen"

    def why(self, lines: Sequence[str]) -> str:
        """What it says of the uploaded modules, with where that was, as Cloudflare shows it."""
        said = [line.rstrip() for line in lines if line.strip()]
        for number, line in enumerate(said):
            if line.startswith("service version: "):
                where = [rest for rest in said[number + 1 : number + 4] if rest.startswith(" ")]
                return "\n".join((line.removeprefix("service version: "), *where))
        return said[0] if said else ""
