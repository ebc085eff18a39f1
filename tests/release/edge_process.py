"""An edge in a process of its own, which can be killed and comes back at the same addresses."""

import json
import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from examples.demo.processes import free_port
from phasegate.adapters.localhost import ssl_context
from phasegate.edge.__main__ import TOKEN_VARIABLE, run
from phasegate.edge.auth import ALL_PERMISSIONS
from phasegate.edge.config import EdgeConfig
from phasegate.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
START = 40.0
MOST_VERSIONS = 64


@dataclass
class EdgeProcess:
    """Use it in a ``with`` block; the process ends with it."""

    directory: Path
    token: str = field(default_factory=lambda: secrets.token_urlsafe(30), repr=False)
    account_id: str = field(default_factory=lambda: secrets.token_hex(16))
    api_port: int = field(default_factory=free_port)
    front_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    owner: int = field(default_factory=os.getpid)
    command: list[str] = field(default_factory=list)
    program: str = "tests.release.edge_process"

    def __enter__(self) -> "EdgeProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self.process is not None
        return self.process.pid

    @property
    def api_url(self) -> str:
        """What a Cloudflare client is pointed at."""
        return f"http://127.0.0.1:{self.api_port}/client/v4"

    def start(self) -> None:
        """Start it and wait until it answers."""
        described = {
            "api_port": self.api_port,
            "front_port": self.front_port,
            "account_id": self.account_id,
            "directory": str(self.directory),
        }
        self.command = [sys.executable, "-m", self.program, json.dumps(described)]
        end = time.monotonic() + START
        while time.monotonic() < end:
            # Its port may be taken for a moment by a connection of somebody else.
            if self.process is None or self.process.poll() is not None:
                self._spawn()
            try:
                httpx.get(f"http://127.0.0.1:{self.api_port}/", timeout=1, verify=ssl_context())
                return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise RuntimeError(f"the edge did not start within {START:g} s")

    def _spawn(self) -> None:
        env = {**os.environ, "PYTHONPATH": str(ROOT), TOKEN_VARIABLE: self.token}
        self.process = subprocess.Popen(
            self.command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=ROOT
        )

    def restart_if_dead(self) -> bool:
        """Start it again when it was killed; whether it was. Only for the process that started it."""
        if self.owner != os.getpid() or self.process is None or self.process.poll() is None:
            return False
        self.start()
        return True

    def settings(self, **changes: object) -> Settings:
        """Settings that point at it."""
        fields: dict[str, object] = {
            "project": ROOT,
            "api_url": self.api_url,
            "account_id": self.account_id,
            "token": SecretStr(self.token),
            "front_door": f"http://{{worker}}.localhost:{self.front_port}",
            "prefect_api_url": "http://127.0.0.1:9/api",
            "api_timeout": 5.0,
        }
        return Settings.model_validate({**fields, **changes})

    def get(self, path: str) -> Any:
        """The result of a reading below the account."""
        url = f"{self.api_url}/accounts/{self.account_id}/{path}"
        answer = httpx.get(
            url, headers={"Authorization": f"Bearer {self.token}"}, timeout=10, verify=ssl_context()
        )
        return json.loads(answer.content)["result"]


def main(described: str) -> None:
    """Be the edge."""
    given = json.loads(described)
    config = EdgeConfig(
        **{**given, "directory": Path(given["directory"])},
        tokens={os.environ[TOKEN_VARIABLE]: ALL_PERMISSIONS},
        rate_limit=None,
        max_live=MOST_VERSIONS,
    )
    run(config, die_with_parent=True)


if __name__ == "__main__":
    main(sys.argv[1])
