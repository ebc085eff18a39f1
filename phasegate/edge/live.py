"""Keeps the running versions and the split in line with the deployments."""

import asyncio
import time
from collections import defaultdict
from datetime import timedelta
from typing import Any

from phasegate.edge.model import DeploymentRecord, VersionRecord
from phasegate.edge.runtime import Runtime
from phasegate.edge.splitter import Splitter
from phasegate.edge.state import State


class Live:
    """
    What runs: the versions of the current deployments, and those that still have requests to finish.

    `changing` is to be held around every upload and deployment of a script, as Cloudflare
    serialises them.
    """

    def __init__(self, state: State, runtime: Runtime, splitter: Splitter, *, drain_limit: timedelta) -> None:
        self._state = state
        self._runtime = runtime
        self._splitter = splitter
        self._drain_limit = drain_limit
        self._wanted: dict[str, frozenset[str]] = {}
        self._changing: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._retiring: set[asyncio.Task[None]] = set()

    def changing(self, script: str) -> asyncio.Lock:
        """The lock of *script*'s uploads and deployments."""
        return self._changing[script]

    def wants(self, version_id: str) -> bool:
        """Whether a current deployment names this version."""
        return any(version_id in wanted for wanted in self._wanted.values())

    def describe(self) -> list[dict[str, Any]]:
        """The versions that have a process: ``{id, script, pid, memory (bytes), exits}``."""
        return self._runtime.describe()

    async def validate(self, version: VersionRecord, *, keep: bool) -> int:
        """
        Start *version* once, and return the milliseconds that took. Raises `StartupFailed`.

        It goes on running with *keep*, for a deployment that follows at once.
        """
        started = time.perf_counter()
        await self._runtime.start(version)
        taken = int((time.perf_counter() - started) * 1000)
        if not keep:
            await self._runtime.stop(version.id)
        return taken

    async def take(self, deployment: DeploymentRecord, *, lag: float = 0.0) -> None:
        """
        Have the split of *deployment* take effect, *lag* seconds from now.

        Its versions run before the first request goes to them; those that left are
        stopped when their requests are done. Raises `StartupFailed` and changes nothing.
        """
        script = deployment.script
        before = self._wanted.get(script, frozenset())
        ids = frozenset(version_id for version_id, _ in deployment.versions)
        self._wanted[script] = before | ids
        try:
            for version_id in ids:
                version = self._state.version(script, version_id)
                assert version is not None
                await self._runtime.start(version)
        except BaseException:
            self._wanted[script] = before
            raise
        self._splitter.lag(script, lag)
        self._splitter.route(script, deployment.versions)
        self._wanted[script] = ids
        self._retire(script, before - ids, lag=lag)

    def forget(self, script: str) -> None:
        """Have *script* serve nothing any more."""
        self._splitter.forget(script)
        self._retire(script, self._wanted.pop(script, frozenset()), lag=0.0)

    async def resume(self) -> None:
        """Take up the deployments that the state remembers."""
        for script in self._state.scripts():
            deployment = self._state.live(script)
            if deployment is not None:
                await self.take(deployment)

    async def close(self) -> None:
        """Stop waiting for versions to finish; the runtime ends them."""
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)

    def _retire(self, script: str, version_ids: frozenset[str], *, lag: float) -> None:
        for version_id in version_ids:
            task = asyncio.create_task(self._stop(script, version_id, lag=lag))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def _stop(self, script: str, version_id: str, *, lag: float) -> None:
        # A lagging split still sends requests to a version that has left the deployment.
        await asyncio.sleep(lag)
        await self._splitter.drain(version_id, self._drain_limit)
        async with self.changing(script):
            if not self.wants(version_id):
                await self._runtime.stop(version_id)
