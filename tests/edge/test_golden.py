"""
What the real wrangler said to the edge once, said again: same calls, same answers in status and shape.

So the edge stays what wrangler takes for Cloudflare even where no Node is. The files are written by
``pytest tests/conformance --record``. Modules in JavaScript are replaced by one in Python on the way.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from edge_caller import WORKER, serving

GOLDEN = sorted((Path(__file__).parent / "golden").glob("wrangler-*.json"))
_GIVEN = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4,12}){3,4}|[0-9a-f]{32,64}|[0-9a-f]{8}(-[0-9a-f]{8}){2}-[0-9a-f]{32}"
)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
async def test_the_edge_answers_as_it_answered_wrangler(path):
    """
    An answer of another shape would break a client that nobody runs here.
    """
    told = json.loads(path.read_text())
    async with serving() as api:
        names = {"<account>": api.edge.account_id}
        for number, database in enumerate(told["databases"]):
            made = await api.call("POST", "/d1/database", json={"name": f"notes{number}"})
            names[database] = made["uuid"]

        differing = [
            f"{' '.join(command['command'])}: {difference}"
            for command in told["commands"]
            for exchange in command["exchanges"]
            if (difference := await again(api, exchange, names))
        ]

    assert differing == []


async def again(api: Any, exchange: dict[str, Any], names: dict[str, str]) -> str:
    """Send a call again; how its answer differs from the recorded one, in words. New ids go into *names*."""
    url = f"{api.edge.origin}{renamed(exchange['path'], names)}"
    if exchange["query"]:
        url += f"?{renamed(exchange['query'], names)}"
    answer = await api.http.request(exchange["method"], url, **content(exchange["body"], names))
    learn(exchange["answer"], answer.json(), names)
    was, now = (exchange["status"], shape(exchange["answer"])), (answer.status_code, shape(answer.json()))
    return "" if was == now else f"{exchange['method']} {url}: {now} instead of {was}"


def content(body: Any, names: dict[str, str]) -> dict[str, Any]:
    """The body as it is sent."""
    if body is None:
        return {}
    told = json.loads(renamed(json.dumps(body), names))
    if "parts" not in told:
        return {"json": told}
    [metadata] = [part["json"] for part in told["parts"] if part["name"] == "metadata"]
    described = json.dumps(metadata | {"main_module": "index.py"})
    return {
        "files": {
            "metadata": (None, described, "application/json"),
            "index.py": ("index.py", WORKER, "text/x-python"),
        }
    }


def renamed(text: str, names: dict[str, str]) -> str:
    """*text* with the ids of this edge."""
    for old, new in names.items():
        text = text.replace(old, new)
    return text


def learn(was: Any, now: Any, names: dict[str, str]) -> None:
    """Note what ids of the recording are called on this edge."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in was.keys() & now.keys():
            learn(was[key], now[key], names)
    elif isinstance(was, list) and isinstance(now, list):
        for old, new in zip(was, now, strict=False):
            learn(old, new, names)
    elif isinstance(was, str) and isinstance(now, str) and _GIVEN.fullmatch(was):
        names[was] = now


def shape(value: Any) -> Any:
    """Keys, lengths and types."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )
