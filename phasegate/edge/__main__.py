"""``python -m phasegate.edge``: one edge, until it is told to end."""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import stat
import sys
from datetime import timedelta
from pathlib import Path

from phasegate.edge.auth import ALL_PERMISSIONS, RateLimit
from phasegate.edge.config import ConfigError, EdgeConfig
from phasegate.edge.server import Edge, EdgeError

PARENT_CHECK = 0.5
TOKEN_VARIABLE = "PHASEGATE_EDGE_TOKEN"


def run(config: EdgeConfig, *, die_with_parent: bool) -> None:
    """
    Serve an edge until SIGTERM or SIGINT, having printed one line of JSON that tells how to reach it.

    With *die_with_parent* it also ends when the parent process does, or when a piped standard
    input closes. Raises `EdgeError` when it cannot start.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(config, die_with_parent=die_with_parent))


def _loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    try:
        import uvloop  # noqa: PLC0415 - the edge also runs without it
    except ImportError:
        return None
    loop: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return loop


async def _serve(config: EdgeConfig, *, die_with_parent: bool) -> None:
    loop = asyncio.get_running_loop()
    parent = os.getppid()
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    async with Edge(config) as edge:
        print(json.dumps({**edge.describe(), "pid": os.getpid()}), flush=True)
        if die_with_parent:
            _watch_input(loop, end)
            await _until(end, parent=parent)
        else:
            await end.wait()


async def _until(end: asyncio.Event, *, parent: int) -> None:
    while os.getppid() == parent:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(end.wait(), PARENT_CHECK)
            return


def _watch_input(loop: asyncio.AbstractEventLoop, end: asyncio.Event) -> None:
    try:
        number = sys.stdin.fileno()
        piped = stat.S_ISFIFO(os.fstat(number).st_mode)
    except (OSError, ValueError, AttributeError):
        return

    def readable() -> None:
        if not os.read(number, 65536):
            loop.remove_reader(number)
            end.set()

    if piped:
        loop.add_reader(number, readable)


def _config(arguments: argparse.Namespace) -> EdgeConfig:
    chosen: dict[str, object] = {
        "api_port": arguments.api_port,
        "front_port": arguments.front_port,
        "directory": arguments.directory,
        "telemetry_lag": timedelta(seconds=arguments.telemetry_lag),
        "sampling": arguments.sampling,
        "rate_limit": None if arguments.no_rate_limit else RateLimit(),
    }
    if arguments.account_id:
        chosen["account_id"] = arguments.account_id
    if token := os.environ.get(TOKEN_VARIABLE):
        chosen["tokens"] = {token: ALL_PERMISSIONS}
    return EdgeConfig(**chosen)  # type: ignore[arg-type]


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="phasegate.edge",
        description="A local Cloudflare.",
        epilog=f"The API token is taken from ${TOKEN_VARIABLE}; without it one is made.",
    )
    parser.add_argument("--api-port", type=int, default=0, help="0 (the default) is a free port")
    parser.add_argument("--front-port", type=int, default=0, help="0 (the default) is a free port")
    parser.add_argument("--directory", type=Path, help="remember everything here; default: forget it")
    parser.add_argument("--account-id", help="32 hex digits; default: random")
    parser.add_argument("--telemetry-lag", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--sampling", type=float, default=1.0, metavar="N", help="keep one event in N")
    parser.add_argument("--no-rate-limit", action="store_true", help="do not limit calls as Cloudflare does")
    parser.add_argument("--die-with-parent", action="store_true")
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> int:
    """The program; 2 when it cannot start."""
    arguments = _arguments(given)
    try:
        run(_config(arguments), die_with_parent=arguments.die_with_parent)
    except (ConfigError, EdgeError) as error:
        print(f"edge: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
