"""The local edge: a Cloudflare API and a front door in one process, and the versions it runs."""

import asyncio
import contextlib
import shutil
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn

from phasegate.edge.api import PREFIX, build
from phasegate.edge.api_context import Context
from phasegate.edge.assets import Assets
from phasegate.edge.auth import Limiter
from phasegate.edge.config import EdgeConfig
from phasegate.edge.connections import CuttableProtocol
from phasegate.edge.d1_bridge import Bridge
from phasegate.edge.d1_databases import Databases
from phasegate.edge.d1_import import Imports
from phasegate.edge.faults import Faults
from phasegate.edge.faults_http import Calls
from phasegate.edge.inside import Inside
from phasegate.edge.live import Live
from phasegate.edge.model import Invocation
from phasegate.edge.runtime import Runtime, StartupFailed
from phasegate.edge.serving import NotStarted, PartServer
from phasegate.edge.splitter import Splitter
from phasegate.edge.state import State
from phasegate.edge.tails import Tails
from phasegate.edge.telemetry import Telemetry
from phasegate.edge.trace_socket import LenientProtocol
from phasegate.edge.workerd import find_workerd


class EdgeError(RuntimeError):
    """The edge cannot start; the text says why."""


class Edge:
    """
    A local Cloudflare, alive inside ``async with``.

    Everything listens on loopback and every process is gone when it closes. *faults*, *calls* and
    *telemetry* may be used from the same process; other processes have ``/edge/faults`` and ``/edge/calls``.
    """

    def __init__(self, config: EdgeConfig | None = None) -> None:
        self.config = config or EdgeConfig()
        self.faults = Faults()
        self.calls = Calls()
        self.telemetry = Telemetry(lag=self.config.telemetry_lag, sampling=self.config.sampling)
        self._tails = Tails(self.front_url)
        self.api_port = 0
        self.front_port = 0
        self.workdir: Path | None = None
        self._runtime: Runtime | None = None
        self._parts = contextlib.AsyncExitStack()

    @property
    def account_id(self) -> str:
        """32 hex digits."""
        return self.config.account_id

    @property
    def token(self) -> str:
        """The first of the configured tokens."""
        return next(iter(self.config.tokens))

    @property
    def running(self) -> tuple[str, ...]:
        """The ids of the versions whose processes run."""
        return self._runtime.running if self._runtime else ()

    @property
    def origin(self) -> str:
        """``http://host:port`` of the API."""
        return f"http://{self.config.host}:{self.api_port}"

    @property
    def api_url(self) -> str:
        """What ``https://api.cloudflare.com/client/v4`` is for the real one."""
        return self.origin + PREFIX

    def front_url(self, worker: str) -> str:
        """Where the users of *worker* reach it; ``*.localhost`` is loopback (RFC 6761)."""
        return f"http://{worker}.localhost:{self.front_port}"

    def describe(self) -> dict[str, Any]:
        """How to reach this edge, with the token: for the process that started it, not for logs."""
        return {
            "api_url": self.api_url,
            "front_url": self.front_url("{worker}"),
            "front_port": self.front_port,
            "account_id": self.account_id,
            "subdomain": self.config.subdomain,
            "token": self.token,
        }

    async def __aenter__(self) -> Self:
        """Start everything. Raises `EdgeError`, with nothing left behind."""
        try:
            await self._start()
        except BaseException:
            await self._parts.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything, in the opposite order."""
        await self._parts.aclose()

    async def _start(self) -> None:
        # A Unix socket's path is limited to some hundred bytes, so this is never below the state directory.
        work = Path(tempfile.mkdtemp(prefix="phasegate-edge-"))
        self.workdir = work
        self._parts.callback(shutil.rmtree, work, ignore_errors=True)
        directory = _made(self.config.directory or work / "state")
        state = State(directory / "state.sqlite")
        self._parts.callback(state.close)
        databases = Databases(directory / "d1", state)
        self._parts.push_async_callback(databases.close)
        imports = Imports(databases)
        self._parts.push_async_callback(imports.close)
        live = await self._data_plane(work, state, databases)
        context = Context(
            self.config,
            state,
            live,
            self.telemetry,
            databases,
            self.faults,
            self.calls,
            Limiter(self.config.rate_limit),
            Assets(state),
            imports,
            self._tails,
        )
        try:
            await live.resume()
        except StartupFailed as error:
            raise EdgeError(f"a version that {directory} remembers does not start again: {error}") from error
        await self._serve_api(context)

    async def _data_plane(self, work: Path, state: State, databases: Databases) -> Live:
        bridge = Bridge(databases)
        self._parts.push_async_callback(bridge.close)
        await bridge.serve(work / "d1.sock")
        inside = Inside(databases, state)
        self._parts.push_async_callback(inside.close)
        await inside.serve(work / "inside.sock")
        runtime = Runtime(
            d1_socket=work / "d1.sock",
            inside=work / "inside.sock",
            workerd=self.config.workerd or find_workerd(),
            workdir=work / "run",
            max_live=self.config.max_live,
        )
        self._runtime = runtime
        self._parts.push_async_callback(runtime.close)
        splitter = Splitter(runtime, record=self._record, mode=self.config.split_mode)
        self._parts.push_async_callback(splitter.close)
        try:
            self.front_port = await splitter.serve(self.config.host, self.config.front_port)
        except OSError as error:
            raise EdgeError(f"the front door cannot listen: {error}") from error
        live = Live(state, runtime, splitter, drain_limit=self.config.drain_limit)
        self._parts.push_async_callback(live.close)
        return live

    def _record(self, invocation: Invocation) -> None:
        self.telemetry.record(invocation)
        self._tails.record(invocation)

    async def _serve_api(self, context: Context) -> None:
        listener = _listen(self.config.host, self.config.api_port)
        self.api_port = listener.getsockname()[1]
        server = PartServer(
            uvicorn.Config(
                build(context),
                http=CuttableProtocol,
                ws=LenientProtocol,
                lifespan="off",
                access_log=False,
                log_config=None,
                log_level="warning",
                timeout_graceful_shutdown=1,
                timeout_keep_alive=75,
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        self._parts.push_async_callback(server.end, serving)
        try:
            await server.ready(serving, what="the API")
        except NotStarted as error:
            raise EdgeError(str(error)) from None


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return directory


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise EdgeError(f"the API cannot listen on {host}:{port}: {error}") from error
    return listener
