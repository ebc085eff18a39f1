"""What the real wrangler and the edge said to each other, kept so that it can be said again without Node."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wrangler import Session

GOLDEN = Path(__file__).resolve().parents[1] / "edge" / "golden"

# A token that is wrong, a fault that was set, and what only a runtime for JavaScript can answer.
LEFT_OUT = frozenset({"wrong token", "rate limit", "a module that throws", "deploy with assets"}) | {
    # They go to an address that only one edge knows.
    *("execute a file", "execute a wrong file", "tail"),
}


def as_golden(session: Session) -> dict[str, Any]:
    """Every command with its exchanges; the account and the token are left out."""
    commands = [
        {
            "command": ["wrangler", *ran.arguments],
            "exit": ran.code,
            "exchanges": [asdict(exchange) for exchange in ran.exchanges],
        }
        for name, ran in session.ran.items()
        if name not in LEFT_OUT
    ]
    told = {"wrangler": session.wrangler.version, "databases": session.databases, "commands": commands}
    text = json.dumps(told).replace(session.edge.account_id, "<account>")
    return dict(json.loads(text))


def write_golden(told: dict[str, Any], version: str) -> None:
    """Keep a session as the golden one of its wrangler."""
    GOLDEN.mkdir(exist_ok=True)
    lines = [json.dumps(command, separators=(",", ":")) for command in told["commands"]]
    head = json.dumps({"wrangler": told["wrangler"], "databases": told["databases"]})[:-1]
    text = f'{head}, "commands": [\n' + ",\n".join(lines) + "\n]}\n"
    (GOLDEN / f"wrangler-{version}.json").write_text(text)
