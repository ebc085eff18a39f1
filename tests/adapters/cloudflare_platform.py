"""
The part of Cloudflare's API that a test has to control to the letter.

It keeps versions and deployments of its Workers, answers on a real socket, and can be
told to refuse, to act without answering, to answer without acting, or to show what it
did only some readings later. ``effects`` lists every change that took place.
"""

import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from loopback import Loopback, Reply
from pydantic import SecretStr

from phasegate.adapters.cloudflare import CloudflareClient, CloudflareTarget
from phasegate.adapters.cloudflare.writing import Patience
from phasegate.domain.versions import Split

ROOT = "/accounts/acct/workers/scripts/"
HANG = 3.0
Act = Callable[[], Reply]


def good(result: Any) -> Reply:
    return Reply(200, {"success": True, "errors": [], "messages": [], "result": result})


def refused(status: int, code: int, message: str) -> Reply:
    errors = [{"code": code, "message": message}]
    return Reply(status, {"success": False, "errors": errors, "messages": [], "result": None})


@dataclass
class Worker:
    versions: list[dict[str, Any]] = field(default_factory=list)
    deployments: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Fault:
    """Befalls the next *times* calls of *method* whose path ends with *end*; then it is over."""

    method: str
    end: str
    befall: Callable[[Act], Reply | None]
    times: int = 1


def answered(reply: Reply) -> Callable[[Act], Reply | None]:
    """Answer *reply* and do nothing."""
    return lambda act: reply


def acted(reply: Reply | None) -> Callable[[Act], Reply | None]:
    """Do what was asked and answer *reply* instead; None drops the connection."""

    def befall(act: Act) -> Reply | None:
        act()
        return reply

    return befall


TROUBLE = {
    "429": answered(Reply(429, {"success": False, "errors": []}, {"retry-after": "0"})),
    "500 before": answered(refused(500, 10001, "internal")),
    "500 after": acted(refused(500, 10001, "internal")),
    "10013 before": answered(refused(400, 10013, "unknown")),
    "10013 after": acted(refused(400, 10013, "unknown")),
    "reset before": lambda act: None,
    "reset after": acted(None),
    "timeout before": answered(Reply(200, {}, after=HANG)),
    "timeout after": acted(Reply(200, {}, after=HANG)),
    "fresh": answered(refused(404, 100146, "version not found")),
    "malformed": acted(Reply(200, b"<html>")),
}


@dataclass
class Platform:
    workers: dict[str, Worker] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    readings_behind: int = 0
    keeps_annotations_of_put: bool = True
    before_write: Callable[[], None] | None = None

    def answer(self, method: str, path: str, body: bytes) -> Reply | None:
        path = path.split("?", maxsplit=1)[0]
        for fault in self.faults:
            if fault.times and method == fault.method and path.endswith(fault.end):
                fault.times -= 1
                return fault.befall(lambda: self._act(method, path, body))
        return self._act(method, path, body)

    def worker(self, name: str, *shares: float) -> tuple[str, ...]:
        """Add a Worker with one version for each share; returns their ids."""
        self.workers[name] = Worker()
        ids = tuple(
            self.version(name, {"annotations": {"workers/tag": f"v{n}"}}) for n, _ in enumerate(shares)
        )
        self.deploy(name, dict(zip(ids, shares, strict=True)), "set up")
        self.effects.clear()
        return ids

    def version(self, name: str, metadata: dict[str, Any]) -> str:
        identity = str(uuid.uuid4())
        kept = {"id": identity, "number": 1, "annotations": metadata.get("annotations"), "sent": metadata}
        self.workers[name].versions.insert(0, kept)
        self.effects.append("version")
        return identity

    def deploy(self, name: str, shares: dict[str, float], message: str) -> str:
        """Put *shares* in force, as anybody with a token may; returns the deployment's id."""
        identity = str(uuid.uuid4())
        kept = {
            "id": identity,
            "strategy": "percentage",
            "created_on": "2026-11-22T10:00:00.000000Z",
            "versions": [{"version_id": v, "percentage": share} for v, share in shares.items()],
            "annotations": {"workers/message": message},
        }
        self.workers[name].deployments.insert(0, kept)
        self.effects.append("deployment")
        return identity

    def _act(self, method: str, path: str, body: bytes) -> Reply:
        name, _, part = path.removeprefix(ROOT).partition("/")
        if method == "PUT":
            return self._put(name, body)
        if name not in self.workers:
            return refused(404, 10007, "This Worker does not exist on your account.")
        if method == "GET":
            return self._get(self.workers[name], part)
        if method == "DELETE":
            del self.workers[name]
            return good(None)
        return self._post(name, part, body)

    def _get(self, worker: Worker, part: str) -> Reply:
        behind = min(self.readings_behind, 1)
        self.readings_behind -= behind
        if part == "deployments":
            return good({"deployments": worker.deployments[behind:]})
        return good({"items": worker.versions[behind:]})

    def _post(self, name: str, part: str, body: bytes) -> Reply:
        if self.before_write:
            self.before_write()
        if part == "versions":
            return good({"id": self.version(name, _metadata(body))})
        asked = json.loads(body)
        shares = {each["version_id"]: each["percentage"] for each in asked["versions"]}
        return good({"id": self.deploy(name, shares, asked["annotations"]["workers/message"])})

    def _put(self, name: str, body: bytes) -> Reply:
        self.workers.setdefault(name, Worker())
        metadata = _metadata(body)
        if not self.keeps_annotations_of_put:
            metadata.pop("annotations")
        self.deploy(name, {self.version(name, metadata): 100}, "")
        return good({"id": name})


def _metadata(body: bytes) -> dict[str, Any]:
    boundary = body.partition(b"\r\n")[0]
    part = next(each for each in body.split(boundary) if b'name="metadata"' in each)
    head, _, text = part.partition(b"\r\n\r\n")
    assert b"filename" not in head
    read: dict[str, Any] = json.loads(text)
    return read


@asynccontextmanager
async def aiming_at(server: Loopback) -> AsyncIterator[CloudflareTarget]:
    """A target in a hurry, so that a test of patience is short."""
    client = CloudflareClient(server.url, "acct", SecretStr("token"), timeout=0.3, budget=2)
    patience = Patience(doubt=0.3, confirm=1.0, total=5.0)
    try:
        yield CloudflareTarget(client, front_door="https://{worker}.example.dev/", patience=patience)
    finally:
        await client.close()


def weights(split: Split) -> dict[str, float]:
    return {share.version: share.weight for share in split.shares}
