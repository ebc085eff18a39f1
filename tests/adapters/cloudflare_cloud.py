"""The local edge with our adapters pointed at it, and a Worker that fails on request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from pydantic import SecretStr

from phasegate.adapters.cloudflare import CloudflareClient, CloudflareTarget, CloudflareTelemetry
from phasegate.adapters.cloudflare.writing import Patience
from phasegate.domain.bundle import Bundle, Module
from phasegate.domain.observation import Batch
from phasegate.domain.plan import Environment
from phasegate.domain.versions import Split, Version
from phasegate.edge.config import EdgeConfig
from phasegate.edge.server import Edge

APP = """
import asyncio

async def app(scope, receive, send):
    path = scope["path"]
    if path == "/throw":
        raise RuntimeError("boom")
    if path == "/slow":
        await asyncio.sleep(0.6)
    status = 503 if path == "/fail" else 200
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": TAG})
"""
TIMEOUT = 1.5
INTERVAL = timedelta(seconds=1)
WORKER = "spring"


def a_bundle(tag: str, *, app: str = APP) -> Bundle:
    metadata = {
        "main_module": "entry.py",
        "compatibility_date": "2026-02-15",
        "compatibility_flags": ["python_workers"],
        "bindings": [],
        "annotations": {"workers/tag": tag},
    }
    source = f"TAG = {tag.encode()!r}\n{app}".encode()
    module = Module(name="entry.py", content_type="text/x-python", data=source)
    return Bundle(
        modules=(module,), metadata={Environment.PRODUCTION: metadata, Environment.STAGING: metadata}
    )


@dataclass(frozen=True)
class Cloud:
    """The edge with our adapters pointed at it."""

    edge: Edge
    target: CloudflareTarget
    telemetry: CloudflareTelemetry
    http: httpx.AsyncClient

    async def live_at(self, *weights: float) -> tuple[Version, ...]:
        """Versions v1, v2 … of the Worker, sharing its traffic."""
        first = await self.target.create(
            WORKER, a_bundle("v1"), environment=Environment.PRODUCTION, release="set-up"
        )
        if len(weights) == 1:
            return (first,)
        second = await self.upload("v2", release="set-up")
        await self.split(Split.between(first.id, second.id, canary_weight=weights[1]))
        return first, second

    async def upload(self, tag: str, *, release: str = "r-1") -> Version:
        return await self.target.upload(
            WORKER, a_bundle(tag), environment=Environment.PRODUCTION, release=release
        )

    async def split(self, split: Split) -> None:
        live = await self.target.live(WORKER)
        assert live is not None
        await self.target.set_split(WORKER, split, message="phasegate", was=live.id)

    async def visit(self, *paths: str, agent: str = "a browser") -> None:
        host = httpx.URL(self.edge.front_url(WORKER))
        for path in paths:
            url = host.copy_with(host="127.0.0.1", path=path)
            await self.http.get(url, headers={"Host": host.netloc.decode(), "User-Agent": agent})

    async def collect(self, *, since: datetime, now: datetime | None = None, **choice: Any) -> Batch:
        given = {"interval": INTERVAL, "settle": timedelta(0), "cuts": (300, 2000), **choice}
        return await self.telemetry.collect(WORKER, since=since, now=now or datetime.now(UTC), **given)

    async def fail(self, *faults: dict[str, Any]) -> None:
        answer = await self.http.put(self._edge("faults"), json=list(faults), headers=self._token)
        assert answer.is_success, answer.text

    async def calls(self) -> list[dict[str, Any]]:
        """Every call of the API so far, oldest first."""
        answer = await self.http.get(self._edge("calls"), headers=self._token)
        calls: list[dict[str, Any]] = answer.json()["result"]
        return calls

    async def writes(self) -> list[str]:
        """Every change that really took place, as ``METHOD last-part-of-path``."""
        return [
            f"{call['method']} {call['path'].rsplit('/', 1)[-1]}"
            for call in await self.calls()
            if call["method"] != "GET" and call["acted"] == 200 and "telemetry" not in call["path"]
        ]

    def _edge(self, part: str) -> str:
        return self.edge.api_url.removesuffix("/client/v4") + f"/edge/{part}"

    @property
    def _token(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.edge.token}"}


@asynccontextmanager
async def a_cloud(**config: Any) -> AsyncIterator[Cloud]:
    async with Edge(EdgeConfig(**config)) as edge, httpx.AsyncClient(timeout=10) as http:
        client = CloudflareClient(
            edge.api_url, edge.account_id, SecretStr(edge.token), timeout=TIMEOUT, budget=5
        )
        target = CloudflareTarget(
            client, front_door="http://{worker}.localhost", patience=Patience(doubt=1.0)
        )
        try:
            yield Cloud(edge, target, CloudflareTelemetry(client), http)
        finally:
            await client.close()
