"""What the local edge remembers: modules, versions, deployments and invocations."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Module:
    """One part of an uploaded bundle, as it came over the wire."""

    name: str
    content_type: str
    data: bytes


@dataclass(frozen=True)
class VersionRecord:
    """
    One uploaded version of one script.

    ``metadata`` is the JSON of the upload's ``metadata`` part: ``main_module``,
    ``bindings``, ``compatibility_date``, ``annotations`` and what else was sent.
    """

    id: str
    number: int
    script: str
    modules: tuple[Module, ...]
    metadata: dict[str, Any]
    created_on: str

    @property
    def shown(self) -> dict[str, str]:
        """What a ``version_metadata`` binding shows of it."""
        annotations = self.metadata.get("annotations") or {}
        tag = str(annotations.get("workers/tag", ""))
        return {"id": self.id, "tag": tag, "timestamp": self.created_on}

    @property
    def bindings(self) -> tuple[dict[str, Any], ...]:
        """The bindings of this version, as uploaded."""
        return tuple(self.metadata.get("bindings", ()))


@dataclass(frozen=True)
class DeploymentRecord:
    """Which versions of a script take what share: ``((version id, percentage), ...)``."""

    id: str
    script: str
    versions: tuple[tuple[str, float], ...]
    created_on: str
    source: str = "api"
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Invocation:
    """
    One request as the data plane saw it.

    ``at`` is epoch seconds at arrival, ``wall_ms`` the milliseconds until the last
    byte of the answer. ``outcome`` is Cloudflare's word for the invocation
    (``ok``, ``exception``, ``canceled``), which a returned HTTP 500 leaves at ``ok``. ``agent`` is the
    request's User-Agent, empty when it had none.
    """

    at: float
    script: str
    version_id: str
    method: str
    path: str
    status: int
    outcome: str
    wall_ms: float
    cpu_ms: float = 0.0
    agent: str = ""
