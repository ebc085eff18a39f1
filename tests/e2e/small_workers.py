"""The smallest Workers that keep the health contract, as bundle directories, and a few users for them."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import httpx

MODULE = """import json

VERSION = "{tag}"
broken = False


async def app(scope, receive, send):
    global broken
    broken = broken or scope["path"] == "/break"
    sick = broken or getattr(scope["env"], "SICK", "") == "yes"
    body = {{"version": VERSION, "status": "sick" if sick else "healthy", "timestamp": "now"}}
    body["checks"] = {{"assets": True, "database": True}}
    headers = [(b"content-type", b"application/json")]
    await send({{"type": "http.response.start", "status": 500 if sick else 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": json.dumps(body).encode()}})
"""


def write(place: Path, tag: str, *, sick: bool = False) -> Path:
    """
    Write the bundle of version *tag* to *place* and return it.

    *sick*: it answers 500 in production. Any version does so once it was asked for ``/break``.
    """
    (place / "modules").mkdir(parents=True)
    (place / "modules" / "main.py").write_text(MODULE.format(tag=tag))
    metadata = {
        "main_module": "main.py",
        "compatibility_date": "2026-02-15",
        "bindings": [{"name": "SICK", "type": "plain_text", "text": "yes" if sick else "no"}],
        "annotations": {"workers/tag": tag},
    }
    (place / "metadata.json").write_text(json.dumps(metadata))
    well = [{"name": "SICK", "type": "plain_text", "text": "no"}]
    (place / "metadata.staging.json").write_text(json.dumps({"bindings": well}))
    return place


async def users(service: str, port: int) -> None:
    """Ask *service* a few times a second through the front door at *port*, whatever it answers."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5) as client:
        while True:
            with suppress(httpx.HTTPError):
                await client.get("/", headers={"Host": f"{service}.localhost"})
            await asyncio.sleep(0.25)
