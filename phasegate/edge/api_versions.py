"""Uploads and versions."""

import hashlib
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from phasegate.edge.api_bundle import invalid, read_bundle
from phasegate.edge.api_context import Context, Route
from phasegate.edge.api_deployments import cut_message, drafted, take
from phasegate.edge.auth import Permission
from phasegate.edge.envelope import ApiError, answer
from phasegate.edge.model import DeploymentRecord, Module, VersionRecord
from phasegate.edge.runtime import StartupFailed

SECRET = "secret_text"
_HIDDEN = {"text", "json", "key_base64", "key_jwk"}


async def put_script(context: Context, request: Request) -> Response:
    """Upload a version and give it all traffic; the only way to begin a Worker."""
    name = request.path_params["script"]
    metadata, modules = await _bundle(request)
    async with context.live.changing(name):
        complete = _complete(context, name, metadata, trigger="upload")
        version, startup_ms, whole = await start_whole(
            context, name, modules, complete, annotations=_annotations(metadata)
        )
    body = described_script(context, name, version) | {"startup_time_ms": startup_ms}
    return answer(body | {"deployment_id": whole.id, "version_id": version.id})


async def post_version(context: Context, request: Request) -> Response:
    """Upload a version that takes no traffic yet."""
    script = context.script(request)
    metadata, modules = await _bundle(request)
    async with context.live.changing(script.name):
        context.script(request)
        complete = _complete(context, script.name, metadata, trigger="version_upload")
        version, startup_ms = await _started(context, script.name, modules, complete, keep=False)
        context.state.add_version(version, startup_ms=startup_ms)
    return answer(described(context, version))


async def list_versions(context: Context, request: Request) -> Response:
    """The hundred newest versions, which are the deployable ones."""
    script = context.script(request)
    found = context.state.versions(script.name)
    return answer({"items": [described(context, version, brief=True) for version in found]})


async def get_version(context: Context, request: Request) -> Response:
    """One version."""
    script = context.script(request)
    version = context.version(script.name, request.path_params["version"])
    return answer(described(context, version))


def described(context: Context, version: VersionRecord, *, brief: bool = False) -> dict[str, Any]:
    """A version as the API shows it; values of secrets are left out."""
    result = {
        "id": version.id,
        "number": version.number,
        "metadata": {
            "created_on": version.created_on,
            "modified_on": version.created_on,
            "source": "api",
            "author_id": context.config.account_id,
            "author_email": "edge@localhost",
            "has_preview": True,
        },
        "annotations": version.metadata.get("annotations", {}),
    }
    if brief:
        return result
    runtime = {
        "compatibility_date": version.metadata.get("compatibility_date"),
        "compatibility_flags": version.metadata.get("compatibility_flags", []),
        "usage_model": "standard",
    }
    result["resources"] = {
        "bindings": [shown_binding(binding) for binding in version.bindings],
        "script": {"etag": etag(version), "handlers": ["fetch"], "last_deployed_from": "api"},
        "script_runtime": runtime,
    }
    result["startup_time_ms"] = context.state.standing(version.id)[1]
    return result


def described_script(context: Context, name: str, version: VersionRecord) -> dict[str, Any]:
    """A Worker as the script endpoints show it."""
    script = context.state.script(name)
    assert script is not None
    return {
        "id": name,
        "tag": script.tag,
        "etag": etag(version),
        "handlers": ["fetch"],
        "created_on": script.created_on,
        "modified_on": version.created_on,
        "usage_model": "standard",
        "compatibility_date": version.metadata.get("compatibility_date"),
        "last_deployed_from": "api",
        **script.settings,
    }


def shown_binding(binding: Mapping[str, Any]) -> dict[str, Any]:
    """*binding* without the value, if it is a secret."""
    if not str(binding.get("type", "")).startswith("secret"):
        return dict(binding)
    return {key: value for key, value in binding.items() if key not in _HIDDEN}


def etag(version: VersionRecord) -> str:
    """The digest of a version's modules."""
    digest = hashlib.sha256()
    for module in version.modules:
        digest.update(module.name.encode() + b"\0" + module.data)
    return digest.hexdigest()


async def _bundle(request: Request) -> tuple[dict[str, Any], tuple[Module, ...]]:
    return read_bundle(request.headers.get("content-type", ""), await request.body())


def _complete(context: Context, name: str, metadata: dict[str, Any], *, trigger: str) -> dict[str, Any]:
    """*metadata* with what it inherits, and what it was uploaded by."""
    complete = metadata | {
        "bindings": _with_inherited(context, name, metadata),
        "annotations": _annotations(metadata) | {"workers/triggered_by": trigger},
    }
    if isinstance(metadata.get("assets"), Mapping):
        complete["assets"] = context.assets.claim(name, metadata["assets"])
    return complete


async def start_whole(
    context: Context,
    name: str,
    modules: tuple[Module, ...],
    metadata: Mapping[str, Any],
    *,
    annotations: Mapping[str, str],
    secrets_edited: bool = False,
) -> tuple[VersionRecord, int, DeploymentRecord]:
    """
    Have a new version serve everything; with the milliseconds its start took, and the deployment.

    One call has one effect: an edge that is killed meanwhile leaves version and deployment, or neither.
    """
    version, startup_ms = await _started(context, name, modules, metadata, keep=True)
    whole = drafted(name, ((version.id, 100.0),), annotations=annotations)
    context.state.create_script(name)
    if secrets_edited:
        context.state.secrets_edited(name)
    context.state.add_version(version, startup_ms=startup_ms, deployment=whole)
    try:
        await take(context, whole)
    except BaseException:
        context.state.withdraw(whole)
        raise
    return version, startup_ms, whole


async def _started(
    context: Context, name: str, modules: tuple[Module, ...], metadata: Mapping[str, Any], *, keep: bool
) -> tuple[VersionRecord, int]:
    """Prove that a new version starts; with the milliseconds that took. *keep* it running."""
    version = context.state.draft(name, modules, metadata)
    try:
        return version, await context.live.validate(version, keep=keep)
    except StartupFailed as error:
        raise invalid(f"Script startup failed: {error}") from None


def _annotations(metadata: Mapping[str, Any]) -> dict[str, str]:
    raw = metadata.get("annotations") or {}
    if not isinstance(raw, Mapping):
        raise invalid("annotations must be an object of texts")
    return cut_message({str(key): str(value) for key, value in raw.items()})


def _with_inherited(context: Context, name: str, metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    newest = context.state.versions(name, limit=1)
    kept = {binding["name"]: binding for binding in (newest[0].bindings if newest else ())}
    bindings: list[dict[str, Any]] = []
    for binding in metadata.get("bindings", []):
        if binding["type"] == "inherit" and binding["name"] not in kept:
            raise ApiError(
                400, 10057, f"The binding {binding['name']} cannot be inherited: no version has it"
            )
        bindings.append(kept[binding["name"]] if binding["type"] == "inherit" else binding)
    named = {binding["name"] for binding in bindings}
    kinds = metadata.get("keep_bindings") or ()
    return bindings + [old for old in kept.values() if old["type"] in kinds and old["name"] not in named]


_S = "/accounts/{account}/workers/scripts/{script}"
ROUTES = (
    Route("PUT", _S, put_script, Permission.SCRIPTS_WRITE),
    Route("POST", f"{_S}/versions", post_version, Permission.SCRIPTS_WRITE),
    Route("GET", f"{_S}/versions", list_versions, Permission.SCRIPTS_READ),
    Route("GET", f"{_S}/versions/{{version}}", get_version, Permission.SCRIPTS_READ),
)
