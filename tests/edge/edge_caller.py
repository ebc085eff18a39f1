"""A real edge with a real Python Worker, spoken to over HTTP."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import httpx

from phasegate.adapters.localhost import ssl_context
from phasegate.edge.config import EdgeConfig
from phasegate.edge.server import Edge

WORKER = b"""
async def app(scope, receive, send):
    env = scope["env"]
    path = scope["path"]
    if path == "/throw":
        raise RuntimeError("a bug")
    body = env.VERSION
    if path == "/count":
        body = str(await env.DB.prepare("SELECT count(*) AS n FROM notes").first("n"))
    status = 500 if path == "/bad" else 200
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body.encode()})
"""
DEMO = "/workers/scripts/demo"


class Caller:
    """A client of one edge's API, and of its front door."""

    def __init__(self, edge: Edge, http: httpx.AsyncClient) -> None:
        self.edge = edge
        self.http = http
        self.account = f"/accounts/{edge.account_id}"

    async def call(self, method, path, *, expect=200, **body):
        """The ``result`` of a call below the account; the answer must have the status *expect*."""
        response = await self.http.request(method, self.account + path, **body)
        assert response.status_code == expect, response.text
        return response.json()["result"]

    async def edge_call(self, method, path, **body):
        """The ``result`` of a call of the edge's own."""
        response = await self.http.request(method, self.edge.origin + path, **body)
        assert response.status_code == 200, response.text
        return response.json()["result"]

    async def refusal(self, method, path, **body):
        """The HTTP status and the first error code of a refused call."""
        response = await self.http.request(method, self.account + path, **body)
        answer = response.json()
        assert answer["success"] is False
        assert answer["result"] is None
        return response.status_code, answer["errors"][0]["code"]

    async def create(self, tag="v1", **metadata):
        """Create the Worker `demo`; the id of its first version."""
        return (await self.call("PUT", DEMO, files=bundle(tag, **metadata)))["version_id"]

    async def upload(self, tag="v2", **metadata):
        """Upload a version of `demo`; its id."""
        return (await self.call("POST", f"{DEMO}/versions", files=bundle(tag, **metadata)))["id"]

    async def split(self, *shares, force="false", expect=200):
        """Give the versions their shares: ``(id, percentage), ...``."""
        path = f"{DEMO}/deployments?force={force}"
        return await self.call("POST", path, json=split(*shares), expect=expect)

    async def visit(self, *paths):
        """Ask `demo` for *paths* in order, as a user does; the answers' texts."""
        door = f"http://127.0.0.1:{self.edge.front_port}"
        async with httpx.AsyncClient(verify=ssl_context(), base_url=door) as front:
            headers = {"host": "demo.localhost"}
            return [(await front.get(path, headers=headers)).text for path in paths]

    async def query(self, *, groups=(), calculations=None, filters=(), window=None, **more):
        """The calculations of a telemetry query over the last minute."""
        body = telemetry_query(groups, calculations, filters, window) | more
        result = await self.call("POST", "/workers/observability/telemetry/query", json=body)
        return result["calculations"]


def bundle(tag="v1", *, source=WORKER, bindings=(), **metadata):
    """The multipart parts of an upload."""
    described = {
        "main_module": "main.py",
        "compatibility_date": "2026-02-15",
        "bindings": [{"name": "VERSION", "type": "plain_text", "text": tag}, *bindings],
        "annotations": {"workers/tag": tag},
    } | metadata
    return {
        "metadata": (None, json.dumps(described), "application/json"),
        "main.py": ("main.py", source, "text/x-python"),
    }


def split(*shares):
    """The body of a deployment."""
    versions = [{"version_id": version, "percentage": share} for version, share in shares]
    return {"strategy": "percentage", "versions": versions}


def telemetry_query(groups, calculations, filters, window):
    now = time.time() * 1000
    start, end = window or (now - 60_000, now + 1000)
    return {
        "queryId": "test",
        "view": "calculations",
        "timeframe": {"from": start, "to": end},
        "limit": 2000,
        "parameters": {
            "datasets": ["cloudflare-workers"],
            "filterCombination": "and",
            "filters": [
                {"key": "$metadata.service", "operation": "eq", "type": "string", "value": "demo"},
                *filters,
            ],
            "calculations": calculations or [{"operator": "count", "alias": "n"}],
            "groupBys": [{"type": "string", "value": key} for key in groups],
        },
    }


def counts(calculation):
    """The values of a calculation by the values of its groups."""
    return {
        tuple(group["value"] for group in aggregate.get("groups", ())): aggregate["value"]
        for aggregate in calculation["aggregates"]
    }


@asynccontextmanager
async def serving(**config):
    """A caller of a fresh edge."""
    async with Edge(EdgeConfig(**config)) as edge:
        headers = {"authorization": f"Bearer {edge.token}"}
        async with httpx.AsyncClient(
            verify=ssl_context(), base_url=edge.api_url, headers=headers, timeout=20
        ) as http:
            yield Caller(edge, http)


async def until(condition: Callable[[], Awaitable[bool]], *, limit: float = 10.0) -> None:
    """Wait for *condition*, with a limit."""
    deadline = time.monotonic() + limit
    while not await condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.02)
