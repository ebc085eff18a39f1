"""One real Prefect server for a whole test session, on its own home, database and port."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

# The first start on an empty home takes half a minute on two quiet cores.
START_LIMIT = 180.0
STOP_LIMIT = 20.0


@dataclass(frozen=True)
class PrefectServer:
    """A running server: the address of its API and the environment that its clients need."""

    api_url: str
    home: Path
    env: dict[str, str]
    auth: str = ""


@contextmanager
def running_server(home: Path, *, auth: str = "", csrf: bool = False) -> Iterator[PrefectServer]:
    """Start ``prefect server start`` in its own process group, wait until healthy, end it by its id."""
    port = _free_port()
    api_url = f"http://127.0.0.1:{port}/api"
    env = _environment(home, api_url, auth=auth, csrf=csrf)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=home, env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            _wait_until_healthy(process, api_url, home / "server.log")
            yield PrefectServer(api_url=api_url, home=home, env=env, auth=auth)
        finally:
            end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group: first politely, then for good."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(home: Path, api_url: str, *, auth: str, csrf: bool) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    settings = {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": api_url,
        "PREFECT_SERVER_UI_API_URL": api_url,
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
        "PREFECT_LOGGING_TO_API_ENABLED": "true",
        "DO_NOT_TRACK": "1",
    }
    if auth:
        settings |= {"PREFECT_SERVER_API_AUTH_STRING": auth, "PREFECT_API_AUTH_STRING": auth}
    if csrf:
        settings["PREFECT_SERVER_CSRF_PROTECTION_ENABLED"] = "true"
    return {**kept, **settings}


def _wait_until_healthy(process: subprocess.Popen[bytes], api_url: str, log: Path) -> None:
    end = time.monotonic() + START_LIMIT
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(
                f"the Prefect server ended with {process.returncode}:\n{log.read_text()[-2000:]}"
            )
        with suppress(httpx.HTTPError):
            if httpx.get(f"{api_url}/health", timeout=2).status_code == 200:
                return
        time.sleep(0.25)
    raise RuntimeError(
        f"the Prefect server was not healthy within {START_LIMIT} s:\n{log.read_text()[-2000:]}"
    )


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """The session's one server; it asks for credentials and CSRF tokens, as a hardened one does."""
    home = tmp_path_factory.mktemp("prefect")
    with running_server(home, auth="ada:lovelace", csrf=True) as server:
        yield server
