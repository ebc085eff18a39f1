"""What the endpoints of the API work with."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from phasegate.edge.assets import Assets
from phasegate.edge.auth import Limiter, Permission
from phasegate.edge.config import EdgeConfig
from phasegate.edge.d1_databases import Databases
from phasegate.edge.d1_import import Imports
from phasegate.edge.envelope import ApiError, worker_missing
from phasegate.edge.faults import Faults
from phasegate.edge.faults_http import Calls
from phasegate.edge.live import Live
from phasegate.edge.model import VersionRecord
from phasegate.edge.state import ScriptRecord, State
from phasegate.edge.tails import Tails
from phasegate.edge.telemetry import Telemetry


@dataclass(frozen=True)
class Context:
    """The parts of one edge."""

    config: EdgeConfig
    state: State
    live: Live
    telemetry: Telemetry
    databases: Databases
    faults: Faults
    calls: Calls
    limiter: Limiter
    assets: Assets
    imports: Imports
    tails: Tails

    def script(self, request: Request) -> ScriptRecord:
        """The Worker that the path names, or 404."""
        name = request.path_params["script"]
        found = self.state.script(name)
        if found is None:
            raise worker_missing(name)
        return found

    def version(self, script: str, version_id: str) -> VersionRecord:
        """A version of *script*, or 404."""
        found = self.state.version(script, version_id)
        if found is None:
            raise ApiError(404, 10165, f"Version {version_id} of {script} does not exist")
        return found


Endpoint = Callable[[Context, Request], Awaitable[Response]]


@dataclass(frozen=True)
class Route:
    """
    One endpoint: *path* below ``/client/v4``, and the permission that it takes.

    With *own_token* the bearer is no API token, and the endpoint itself proves it.
    """

    method: str
    path: str
    endpoint: Endpoint
    permission: Permission | None = None
    own_token: bool = False


async def body_of(request: Request) -> Any:
    """The JSON body; an empty one is an empty object."""
    raw = await request.body()
    if not raw.strip():
        return {}
    try:
        return json.loads(raw)
    except ValueError as error:
        raise ApiError(400, 10001, f"The request body is not JSON: {error}") from None


async def object_of(request: Request) -> dict[str, Any]:
    """The JSON body, which must be an object."""
    body = await body_of(request)
    if not isinstance(body, dict):
        raise ApiError(400, 10001, "The request body must be a JSON object")
    return body
