"""
Serves one bundle on loopback until it is told to end: ``worker_process.py BUNDLE METADATA DATABASE``.

Prints the port as its first line.
"""

import asyncio
import importlib
import json
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvicorn
from d1_standin import D1


def bindings(metadata: dict[str, Any], database: D1) -> SimpleNamespace:
    """The ``env`` of a version, from its upload metadata."""
    env = SimpleNamespace()
    tag = metadata["annotations"]["workers/tag"]
    for binding in metadata["bindings"]:
        values = {
            "d1": database,
            "version_metadata": SimpleNamespace(id=f"id-of-{tag}", tag=tag, timestamp="2026-02-17T02:00:00Z"),
        }
        setattr(env, binding["name"], values.get(binding["type"], binding.get("text")))
    return env


async def serve(bundle: Path, metadata_name: str, database: Path) -> None:
    """Run the bundle's ``app`` under uvicorn on a free port."""
    metadata = json.loads((bundle / metadata_name).read_text())
    sys.path.insert(0, str(bundle / "modules"))
    app = importlib.import_module(metadata["main_module"].removesuffix(".py")).app
    env = bindings(metadata, D1(database))

    async def with_env(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "env": env}, receive, send)

    # With protocol 0 the loop does not switch Nagle's algorithm off, and every answer takes 40 ms longer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(with_env, log_level="warning", access_log=False, loop="uvloop", http="httptools")
    await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
