"""
The traffic of the spring rate API: ten routes, mostly reads.

Writes go to a fixed set of calculations, so the table does not grow however long the
traffic lasts. ``python traffic.py`` writes the mix that the load generator reads.
"""

import json
import sys
from pathlib import Path
from typing import Any

MIX_FILE = Path(__file__).resolve().with_name("traffic.json")
SLOTS = 20


def spring(name: str, **more: Any) -> dict[str, Any]:
    """A valid calculation; ``{slot}`` is replaced by the load generator."""
    dimensions = {"d": 2.0, "D": 20.0, "n": 8, "units": "mm"}
    return {"manufacturer": "Acme", "partNumber": f"{name}-{{slot}}", **dimensions, **more}


def mix() -> dict[str, Any]:
    """The mix; the weights add up to 100."""
    return {
        "session": {
            "path": "/api/sessions",
            "refresh_path": "/api/sessions/refresh",
            "body": {"clientId": "load-generator"},
        },
        "setup": [_create("setup")],
        "requests": [
            _request("GET", "/health", 4, public=True),
            _request("GET", "/api/materials", 6, public=True),
            _request("GET", "/api/calculations?limit=10", 24, name="/api/calculations"),
            _request("GET", "/api/calculations/load-row-{slot}", 20, name="/api/calculations/:id"),
            _request("GET", "/api/calculations/summary", 10),
            _request("POST", "/api/calculations/preview", 8, body=spring("preview"), public=True),
            _create("POST /api/calculations") | {"weight": 8},
            _request(
                "PUT",
                "/api/calculations/load-row-{slot}",
                8,
                name="/api/calculations/:id",
                body=spring("updated", n=9),
            ),
            _request("GET", "/api/sync?since=0", 4, name="/api/sync"),
            _request("POST", "/api/sync", 8, body={"since": 0, "changes": [_change()]}),
        ],
    }


def _request(
    method: str, path: str, weight: int, *, name: str = "", body: Any = None, public: bool = False
) -> dict[str, Any]:
    slots = {"slots": SLOTS} if "{slot}" in json.dumps([path, body]) else {}
    content = {"body": body} if body is not None else {}
    return {
        "name": f"{method} {name or path}",
        "method": method,
        "path": path,
        "weight": weight,
        "needs_session": not public,
        **slots,
        **content,
    }


def _create(name: str) -> dict[str, Any]:
    body = spring("row", id="load-row-{slot}")
    return _request("POST", "/api/calculations", 0, body=body) | {"name": name}


def _change() -> dict[str, Any]:
    return spring("synced", id="load-sync-{slot}", updatedAt="2026-02-17T02:00:00.000Z")


def main() -> int:
    """Write ``traffic.json``."""
    MIX_FILE.write_text(json.dumps(mix(), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
