"""Deployments: who takes what share."""

import uuid
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from phasegate.edge.api_bundle import invalid
from phasegate.edge.api_context import Context, Route, object_of
from phasegate.edge.auth import Permission
from phasegate.edge.envelope import ApiError, answer
from phasegate.edge.model import DeploymentRecord
from phasegate.edge.runtime import StartupFailed
from phasegate.edge.state import MESSAGE_BYTES, ScriptRecord, now

MOST_VERSIONS = 2
TOLERANCE = 0.001
_MESSAGE = "workers/message"
Shares = tuple[tuple[str, float], ...]


async def post_deployment(context: Context, request: Request) -> Response:
    """Set the split; ``?force=true`` also to versions with other secrets than the Worker has now."""
    script = context.script(request)
    body = await object_of(request)
    shares = read_shares(body)
    annotations = _annotations(body)
    async with context.live.changing(script.name):
        script = context.script(request)
        _check_deployable(context, script, shares)
        if request.query_params.get("force") != "true":
            _check_secrets(context, script, shares)
        lag = context.faults.lag(request.url.path)
        record = await deploy(context, script.name, shares, annotations=annotations, lag=lag)
    return answer(described(record))


async def list_deployments(context: Context, request: Request) -> Response:
    """All deployments, newest first."""
    script = context.script(request)
    found = context.state.deployments(script.name)
    return answer({"deployments": [described(record) for record in found]})


async def get_deployment(context: Context, request: Request) -> Response:
    """One deployment."""
    script = context.script(request)
    wanted = request.path_params["deployment"]
    for record in context.state.deployments(script.name):
        if record.id == wanted:
            return answer(described(record))
    raise ApiError(404, 10007, f"Deployment {wanted} of {script.name} does not exist")


async def deploy(
    context: Context, script: str, shares: Shares, *, annotations: Mapping[str, str], lag: float = 0.0
) -> DeploymentRecord:
    """Have a deployment take effect, and store it; the script's `changing` is held by the caller."""
    record = drafted(script, shares, annotations=annotations)
    await take(context, record, lag=lag)
    context.state.add_deployment(record)
    return record


def drafted(script: str, shares: Shares, *, annotations: Mapping[str, str]) -> DeploymentRecord:
    """The deployment of now, neither stored nor in effect."""
    return DeploymentRecord(str(uuid.uuid4()), script, shares, now(), "api", dict(annotations))


async def take(context: Context, record: DeploymentRecord, *, lag: float = 0.0) -> None:
    """Have *record* take effect; the script's `changing` is held by the caller."""
    try:
        await context.live.take(record, lag=lag)
    except StartupFailed as error:
        raise invalid(f"A version does not start: {error}") from None


def described(record: DeploymentRecord) -> dict[str, Any]:
    """A deployment as the API shows it."""
    return {
        "id": record.id,
        "source": record.source,
        "strategy": "percentage",
        "author_email": "edge@localhost",
        "created_on": record.created_on,
        "versions": [
            {"version_id": version, "percentage": _plain(share)} for version, share in record.versions
        ],
        "annotations": {"workers/triggered_by": "deployment", **record.annotations},
    }


def read_shares(body: Mapping[str, Any]) -> Shares:
    """The split of a request, or what is wrong with it."""
    if body.get("strategy") != "percentage":
        raise ApiError(400, 10001, f"strategy is {body.get('strategy')!r}; allowed: percentage")
    raw = body.get("versions")
    if not isinstance(raw, list) or not 1 <= len(raw) <= MOST_VERSIONS:
        raise ApiError(400, 10195, f"A deployment has 1 or {MOST_VERSIONS} versions")
    shares = tuple(_share(item) for item in raw)
    if len({version for version, _ in shares}) != len(shares):
        raise ApiError(400, 10195, "A deployment cannot name a version twice")
    total = sum(share for _, share in shares)
    if abs(total - 100) > TOLERANCE:
        raise ApiError(400, 10194, f"The percentages must add up to 100, not {total:g}")
    return shares


def cut_message(annotations: dict[str, str]) -> dict[str, str]:
    """*annotations* with the message cut as Cloudflare cuts it."""
    if _MESSAGE not in annotations:
        return annotations
    cut = annotations[_MESSAGE].encode()[:MESSAGE_BYTES].decode(errors="ignore")
    return annotations | {_MESSAGE: cut}


def _share(item: Any) -> tuple[str, float]:
    version = item.get("version_id") if isinstance(item, Mapping) else None
    share = item.get("percentage") if isinstance(item, Mapping) else None
    if not isinstance(version, str) or isinstance(share, bool) or not isinstance(share, int | float):
        raise ApiError(400, 10001, "Each version must be {version_id, percentage}")
    if not 0 <= share <= 100:
        raise ApiError(400, 10194, f"percentage is {share}; allowed: 0 to 100")
    return version, float(share)


def _annotations(body: Mapping[str, Any]) -> dict[str, str]:
    raw = body.get("annotations") or {}
    if not isinstance(raw, Mapping):
        raise ApiError(400, 10001, "annotations must be an object of texts")
    return cut_message({str(key): str(value) for key, value in raw.items()})


def _check_deployable(context: Context, script: ScriptRecord, shares: Shares) -> None:
    deployable = {version.id for version in context.state.versions(script.name)}
    for version_id, _ in shares:
        if version_id not in deployable:
            raise ApiError(
                400, 10165, f"Version {version_id} of {script.name} is unknown or not deployable any more"
            )


def _check_secrets(context: Context, script: ScriptRecord, shares: Shares) -> None:
    for version_id, _ in shares:
        if context.state.standing(version_id)[0] != script.secret_state:
            raise ApiError(
                400,
                10220,
                f"Secrets have changed since version {version_id} was active; ?force=true overrides",
            )


def _plain(share: float) -> float | int:
    return int(share) if share == int(share) else share


_D = "/accounts/{account}/workers/scripts/{script}/deployments"
ROUTES = (
    Route("POST", _D, post_deployment, Permission.SCRIPTS_WRITE),
    Route("GET", _D, list_deployments, Permission.SCRIPTS_READ),
    Route("GET", f"{_D}/{{deployment}}", get_deployment, Permission.SCRIPTS_READ),
)
