"""Bundles of the sample service, served by real processes on loopback."""

import importlib.util
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import httpx

from phasegate.adapters.localhost import ssl_context

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "spring-rate-api"
HERE = Path(__file__).resolve().parent


def example(name: str, *, of: str = EXAMPLE.name) -> ModuleType:
    """A program of an example, imported from its file."""
    path = EXAMPLE.parent / of / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{of.replace('-', '_')}_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Worker:
    """A running version; one in JavaScript has no process of its own to show."""

    url: str
    process: subprocess.Popen[str] | None = None

    def client(self) -> httpx.Client:
        """An HTTP client of it, without a session."""
        return httpx.Client(verify=ssl_context(), base_url=self.url, timeout=10)

    @contextmanager
    def session(self, **body: object) -> Iterator[httpx.Client]:
        """An HTTP client of it that carries a bearer token."""
        with self.client() as client:
            opened = client.post("/api/sessions", json=body)
            assert opened.status_code == 201, opened.text
            client.headers["Authorization"] = f"Bearer {opened.json()['token']}"
            yield client


Serve = Callable[..., Worker]


def migrate(database: Path) -> None:
    """Apply the example's migrations to a SQLite file."""
    with sqlite3.connect(database) as connection:
        for file in sorted((EXAMPLE / "migrations").glob("*.sql")):
            connection.executescript(file.read_text())
    connection.close()


@contextmanager
def running(bundle: Path, metadata: str, database: Path) -> Iterator[Worker]:
    """Serve a bundle until the block ends."""
    command = [sys.executable, str(HERE / "worker_process.py"), str(bundle), metadata, str(database)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, f"the version did not start, exit code {process.wait(5)}"
        yield Worker(f"http://127.0.0.1:{port}", process)
    finally:
        process.kill()
        process.wait(10)


class JavascriptHost:
    """One process that serves every JavaScript version asked for."""

    def __init__(self, root: Path) -> None:
        command = [sys.executable, str(HERE / "javascript_host.py"), str(root)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "JavascriptHost":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        finally:
            self._process.kill()

    def start(self, project: Path, *, version: str, environment: str, migrated: bool) -> Worker:
        """Start one version."""
        asked = {
            "project": str(project),
            "version": version,
            "environment": environment,
            "migrated": migrated,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline())
        assert isinstance(said, int), f"the version did not start: {said['error']}"
        return Worker(f"http://127.0.0.1:{said}")
