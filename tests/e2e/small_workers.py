"""The smallest Workers that keep the health contract, as bundle directories; a sick one fails in production."""

import json
from pathlib import Path

MODULE = """import json

VERSION = "{tag}"


async def app(scope, receive, send):
    sick = getattr(scope["env"], "SICK", "") == "yes"
    body = {{"version": VERSION, "status": "sick" if sick else "healthy", "timestamp": "now"}}
    body["checks"] = {{"assets": True, "database": True}}
    headers = [(b"content-type", b"application/json")]
    await send({{"type": "http.response.start", "status": 500 if sick else 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": json.dumps(body).encode()}})
"""


def write(place: Path, tag: str, *, sick: bool = False) -> Path:
    """Write the bundle of version *tag* to *place* and return it."""
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
