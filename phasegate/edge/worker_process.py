"""
One running version: imports its main module and serves its ASGI ``app`` on a Unix socket.

Forked by `phasegate.edge.fork_server`. The first line of standard input is its configuration (JSON:
``root``, ``main_module``, ``socket``, ``d1_socket``, ``bindings``, ``version``), and the end of that
input is the end of the process. Standard output carries one JSON line back: ``{"ready": true}`` or
``{"error": "..."}``.
"""

import importlib.util
import json
import os
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

import uvicorn

from phasegate.edge.serving import PromptServer
from phasegate.edge.worker_asgi import with_env
from phasegate.edge.worker_bindings import env_of
from phasegate.edge.worker_d1 import D1Connection
from phasegate.edge.worker_guard import die_on_eof, die_with_parent


class Status:
    """The line back to the edge; what the version prints goes to standard error instead."""

    def __init__(self) -> None:
        self._fd = os.dup(1)
        os.dup2(2, 1)

    def ready(self) -> None:
        """The socket accepts."""
        self._say({"ready": True})

    def failed(self, message: str) -> None:
        """The version cannot be started, and why."""
        self._say({"error": message[:2000]})

    def _say(self, word: dict[str, Any]) -> None:
        os.write(self._fd, json.dumps(word).encode() + b"\n")


def read_configuration() -> dict[str, Any]:
    """The first line of standard input; the rest of it becomes the lifeline."""
    lifeline = os.dup(0)
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(lifeline, 65536)
        if not piece:
            os._exit(0)
        line += piece
    die_on_eof(lifeline)
    configuration: dict[str, Any] = json.loads(line)
    return configuration


def load_app(root: Path, main_module: str) -> Any:
    """The callable ``app`` of the main module; what the module throws passes through."""
    path = root / main_module
    for directory in (str(path.parent), str(root)):
        if directory not in sys.path:
            sys.path.insert(0, directory)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{main_module} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    app = getattr(module, "app", None)
    if not callable(app):
        raise TypeError(f"{main_module} has no ASGI callable named app")
    return app


def serve(configuration: dict[str, Any], status: Status) -> None:
    """Serve until told to end."""

    class Server(PromptServer):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.should_exit:
                status.failed("the app's lifespan start-up failed")
            else:
                status.ready()

    app = load_app(Path(configuration["root"]), configuration["main_module"])
    env = env_of(
        configuration["bindings"], configuration["version"], D1Connection(configuration["d1_socket"])
    )
    server = Server(
        uvicorn.Config(
            with_env(app, env),
            uds=configuration["socket"],
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="auto",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            # The splitter closes idle connections first, so none is closed under a request.
            timeout_keep_alive=3600,
            timeout_graceful_shutdown=2,
        )
    )
    server.run()


def run(parent: int) -> int:
    """Run one version as a child of the process *parent*; 1 when it cannot be started."""
    die_with_parent(parent)
    status = Status()
    try:
        serve(read_configuration(), status)
    except Exception as error:
        traceback.print_exc()
        status.failed(f"Uncaught {type(error).__name__}: {error}")
        return 1
    return 0
