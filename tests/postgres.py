"""A real Postgres for tests: its own cluster in a temporary directory, on a free port, ended by id."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_LIMIT = 30.0
_USER = "postgres"


@dataclass(frozen=True)
class PostgresServer:
    """A running cluster; every test takes a database of its own."""

    programs: Path
    port: int
    pid: int

    def database(self) -> str:
        """Create an empty database and return its URL."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.run(f"CREATE DATABASE {name}", database="postgres")
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{name}"

    def run(self, sql: str, *, database: str) -> subprocess.CompletedProcess[str]:
        """Run one statement as the owner of everything; *database* is a name or a URL."""
        where = database if "://" in database else f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"
        command = [str(self.programs / "psql"), where, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=_LIMIT)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One cluster for the whole session; skips, and says so, where Postgres is not installed."""
    programs = programs_of_postgres()
    if programs is None:
        pytest.skip("NOT TESTED: Postgres is not installed; `apt-get install postgresql` provides it")
    with cluster(programs, durable=False) as server:
        yield server


def programs_of_postgres() -> Path | None:
    """The directory with initdb and postgres, or None when there is none or root cannot become its user."""
    if os.geteuid() == 0 and not _account():
        return None
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    found = shutil.which("initdb")
    folders = [*reversed(debian), *([Path(found).resolve().parent] if found else [])]
    needed = ("initdb", "postgres", "psql")
    return next((path for path in folders if all((path / name).exists() for name in needed)), None)


def for_prefect(server: PostgresServer) -> str:
    """The URL of a database as a Prefect server wants it."""
    url = server.database()
    # Its migrations need the extension, and only the owner of everything may create it.
    server.run("CREATE EXTENSION IF NOT EXISTS pg_trgm", database=url)
    return url.replace("postgresql://", "postgresql+asyncpg://")


@contextmanager
def cluster(programs: Path, *, durable: bool) -> Iterator[PostgresServer]:
    """Start a cluster and end it by its id; *durable* False saves the disk's waits."""
    folder = Path(tempfile.mkdtemp(prefix="phasegate-pg-"))
    try:
        _create(programs, folder)
        yield from _serve(programs, folder, durable=durable)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _create(programs: Path, folder: Path) -> None:
    if account := _account():
        os.chown(folder, account.pw_uid, account.pw_gid)
    command = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", _USER, "-A", "trust", "--no-sync"]
    subprocess.run(command, check=True, capture_output=True, timeout=_LIMIT, cwd=folder, **_identity())


def _serve(programs: Path, folder: Path, *, durable: bool) -> Iterator[PostgresServer]:
    port = _free_port()
    options = {"listen_addresses": "127.0.0.1", "fsync": "on" if durable else "off", "max_connections": "60"}
    command = [str(programs / "postgres"), "-D", str(folder / "data"), "-k", str(folder), "-p", str(port)]
    command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **_identity())
    try:
        server = PostgresServer(programs=programs, port=port, pid=process.pid)
        _wait(server, process, folder / "log")
        yield server
    finally:
        _end(process)


def _wait(server: PostgresServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _LIMIT
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(subprocess.CalledProcessError):
            server.run("SELECT 1", database="postgres")
            return
        time.sleep(0.05)
    raise RuntimeError(f"Postgres did not start within {_LIMIT:g} s: {log.read_text()}")


def _end(process: subprocess.Popen[bytes]) -> None:
    # SIGINT asks Postgres to drop its clients and stop; SIGQUIT not to wait for anything.
    for order in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        process.send_signal(order)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
            return


def _account() -> pwd.struct_passwd | None:
    """The account to run as; Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        return pwd.getpwnam(_USER)
    return None


def _identity() -> dict[str, Any]:
    account = _account()
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
