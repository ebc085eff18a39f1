"""What is uploaded: modules and the platform's metadata, per environment."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from phasegate.domain.plan import Environment


class Module(BaseModel):
    """One module of a Worker, by the name it is imported with."""

    model_config = ConfigDict(frozen=True)

    name: str
    content_type: str
    data: bytes


class Asset(BaseModel):
    """One static file, by the path it is served at (``/site/style.css``)."""

    model_config = ConfigDict(frozen=True)

    path: str
    content_type: str
    data: bytes


class Bundle(BaseModel):
    """
    A Worker ready for upload: the same modules and assets for every environment.

    ``metadata`` is Cloudflare's upload metadata (main_module, bindings,
    compatibility_date, annotations); only bindings may differ per environment.
    """

    model_config = ConfigDict(frozen=True)

    modules: tuple[Module, ...] = Field(min_length=1)
    metadata: dict[Environment, dict[str, Any]]
    assets: tuple[Asset, ...] = ()

    @property
    def tag(self) -> str:
        """The version's name as people say it, from the ``workers/tag`` annotation."""
        annotations = self.metadata[Environment.PRODUCTION].get("annotations", {})
        return str(annotations.get("workers/tag", ""))

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, over modules and assets (name, type, bytes) and production's metadata."""
        total = hashlib.sha256()
        for module in sorted(self.modules, key=lambda module: module.name):
            total.update(f"{module.name}\n{module.content_type}\n{len(module.data)}\n".encode() + module.data)
        for asset in sorted(self.assets, key=lambda asset: asset.path):
            total.update(f"{asset.path}\n{asset.content_type}\n{len(asset.data)}\n".encode() + asset.data)
        total.update(json.dumps(self.metadata[Environment.PRODUCTION], sort_keys=True).encode())
        return total.hexdigest()
