"""The front door: takes every request, has one version answer it, and notes how that went."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from phasegate.edge.model import Invocation
from phasegate.edge.routing import NOTHING, Route, SplitMode, first_label, parse_overrides, preview_of
from phasegate.edge.splitter_client import ClientConnection
from phasegate.edge.splitter_head import BadRequest, RequestHead
from phasegate.edge.splitter_ports import Limits, Target
from phasegate.edge.splitter_upstream import UpstreamConnection, UpstreamPool

__all__ = ["Limits", "SplitMode", "Splitter", "Versions"]

BACKLOG = 1024
CONNECT_TRIES = 5
POOL_IDLE = 60.0


class Versions(Protocol):
    """What the splitter needs of the runtime."""

    keep: Callable[[str], bool]

    async def reach(self, version_id: str) -> str:
        """The Unix socket of a version, started if need be. Raises NotServing."""

    def find(self, script: str, prefix: str) -> str | None:
        """The version of a script by the start of its id."""


class Splitter:
    """
    Splits the requests of each Worker among its versions.

    The first label of the Host names the Worker (``rates.localhost``,
    ``rates.acme.workers.dev``); ``<first 8 of a version id>-rates`` is that version's
    preview, whose requests are not recorded, as on Cloudflare. A bare address goes to
    *default_worker*. Every other finished request is given to *record*.
    """

    def __init__(
        self,
        runtime: Versions,
        *,
        record: Callable[[Invocation], None],
        mode: SplitMode = SplitMode.SMOOTH,
        default_worker: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.mode = mode
        self.default_worker = default_worker
        self.limits = limits or Limits()
        self.pool = UpstreamPool()
        self.note = record
        self._runtime = runtime
        self._routes: dict[str, Route] = {}
        self._in_flight: Counter[str] = Counter()
        self._idle: dict[str, asyncio.Event] = {}
        self._clients: set[ClientConnection] = set()
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        # Cloudflare's ids are 16 hex digits; starting anywhere keeps two runs apart.
        self._rays = int.from_bytes(os.urandom(7), "big")
        runtime.keep = self._in_use

    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; the port that was taken. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: ClientConnection(self), host, port, backlog=BACKLOG)
        self._sweeper = loop.create_task(self._sweep())
        taken: int = self._server.sockets[0].getsockname()[1]
        return taken

    async def close(self, grace: timedelta = timedelta(0)) -> None:
        """Stop listening, give requests in flight *grace* to finish, and close every connection."""
        if self._server is not None:
            self._server.close()
        await asyncio.gather(*(self.drain(version_id, grace) for version_id in tuple(self._in_flight)))
        if self._sweeper is not None:
            self._sweeper.cancel()
        for client in tuple(self._clients):
            client.end()
        self.pool.close()
        # The connections end with the next turns of the loop; their requests are recorded there.
        for _ in range(100):
            if not self._clients:
                break
            await asyncio.sleep(0.01)

    def route(self, worker: str, versions: tuple[tuple[str, float], ...]) -> None:
        """
        Split *worker* as ``((version id, percentage), ...)`` from the next request on.

        Requests in flight finish where they are. Raises ValueError unless the
        percentages are 0 to 100 and add up to 100.
        """
        if abs(sum(share for _, share in versions) - 100) > 0.001 or any(share < 0 for _, share in versions):
            raise ValueError(f"the shares of {worker} are each 0 to 100 and add up to 100, not {versions}")
        self._routes.setdefault(worker, Route()).change(tuple(versions), now=_now())

    def forget(self, worker: str) -> None:
        """Serve *worker* no longer: 404 from the next request on."""
        self._routes.pop(worker, None)

    def lag(self, worker: str, seconds: float) -> None:
        """Have later changes of *worker*'s split take effect only after *seconds*; 0 ends that."""
        self._routes.setdefault(worker, Route()).lag = seconds

    def split(self, worker: str) -> tuple[tuple[str, float], ...]:
        """The split that counts now, which a lag keeps behind what was set last; empty for no Worker."""
        route = self._routes.get(worker)
        return route.shares(_now()) if route else ()

    def in_flight(self, version_id: str) -> int:
        """How many requests the version is answering."""
        return self._in_flight[version_id]

    async def drain(self, version_id: str, limit: timedelta) -> bool:
        """Wait until the version answers no request; False when that takes longer than *limit*."""
        if not self._in_flight[version_id]:
            return True
        idle = self._idle.setdefault(version_id, asyncio.Event())
        try:
            await asyncio.wait_for(idle.wait(), limit.total_seconds())
        except TimeoutError:
            return False
        return True

    def pick(self, head: RequestHead, client_ip: str) -> Target:
        """The version for one request. Raises BadRequest."""
        worker = first_label(head.host) or self.default_worker or ""
        route = self._routes.get(worker)
        if route is None:
            return self._preview(worker, head.host)
        wanted = (parse_overrides(head.overrides) if head.overrides else NOTHING).get(worker)
        key = head.key if head.key is not None or self.mode is SplitMode.SMOOTH else client_ip
        version = route.pick(wanted=wanted, key=key, now=_now())
        if version is None:
            raise self._unknown(head.host)
        return Target(worker, version)

    def _preview(self, label: str, host: str) -> Target:
        found = preview_of(label)
        version = self._runtime.find(found[1], found[0]) if found else None
        if found is None or version is None:
            raise self._unknown(host)
        return Target(found[1], version, logged=False)

    def _unknown(self, host: str) -> BadRequest:
        said = {"error": f"no Worker answers at {host!r}", "workers": sorted(self._routes)}
        return BadRequest(404, json.dumps(said))

    def enter(self, version_id: str) -> None:
        """One more request is in flight."""
        self._in_flight[version_id] += 1

    def leave(self, version_id: str) -> None:
        """One fewer is."""
        self._in_flight[version_id] -= 1
        if not self._in_flight[version_id]:
            del self._in_flight[version_id]
            idle = self._idle.pop(version_id, None)
            if idle is not None:
                idle.set()

    def next_ray(self) -> bytes:
        """An id for one request, in the form of Cloudflare's."""
        self._rays += 1
        return b"%016x-LOC" % self._rays

    async def connect(self, version_id: str) -> UpstreamConnection:
        """A fresh connection to a version, started if it died or sleeps. Raises NotServing or OSError."""
        for _ in range(CONNECT_TRIES - 1):
            try:
                return await self.pool.connect(version_id, await self._runtime.reach(version_id))
            except (ConnectionRefusedError, FileNotFoundError):
                # The process is gone and its end not yet noticed; a moment later it is started again.
                await asyncio.sleep(0.02)
        return await self.pool.connect(version_id, await self._runtime.reach(version_id))

    def opened(self, client: ClientConnection) -> None:
        """A client has connected."""
        self._clients.add(client)

    def closed(self, client: ClientConnection) -> None:
        """A client has gone."""
        self._clients.discard(client)

    def _in_use(self, version_id: str) -> bool:
        routed = any(route.names(version_id) for route in self._routes.values())
        return routed or self._in_flight[version_id] > 0

    async def _sweep(self) -> None:
        """One timer for all connections costs less than one for each request."""
        limits = self.limits
        period = min(
            1.0, *(limit.total_seconds() / 4 for limit in (limits.idle, limits.answer, limits.linger))
        )
        while True:
            await asyncio.sleep(period)
            now = _now()
            for client in tuple(self._clients):
                client.tick(now)
            self.pool.close_idle(before=now - POOL_IDLE)


def _now() -> float:
    return asyncio.get_running_loop().time()
