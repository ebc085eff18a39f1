"""What a Worker has besides versions: settings, secrets, its address, and an end."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from phasegate.edge.api_context import Context, Route, object_of
from phasegate.edge.api_versions import SECRET, described_script, shown_binding, start_whole
from phasegate.edge.auth import Permission
from phasegate.edge.envelope import ApiError, answer
from phasegate.edge.model import VersionRecord

_SUBDOMAIN = {"enabled": True, "previews_enabled": True}


async def get_service(context: Context, request: Request) -> Response:
    """The Worker as a service, which is how wrangler asks whether it exists (404, 10090)."""
    name = request.path_params["service"]
    script = context.state.script(name)
    if script is None:
        raise ApiError(404, 10090, f"This service does not exist on your account: {name}")
    environment = {
        "environment": "production",
        "created_on": script.created_on,
        "script": described_script(context, name, _newest(context, name)),
    }
    body = {"id": name, "created_on": script.created_on, "modified_on": script.created_on}
    return answer(body | {"default_environment": environment, "environments": [environment]})


async def get_worker(context: Context, request: Request) -> Response:
    """The Worker as newer clients read it."""
    name = request.path_params["worker"]
    script = context.state.script(name)
    if script is None:
        raise ApiError(404, 10007, f"This Worker does not exist on your account: {name}")
    body = {
        "id": script.tag,
        "name": name,
        "created_on": script.created_on,
        "updated_on": _newest(context, name).created_on,
        "subdomain": script.settings.get("subdomain", _SUBDOMAIN),
        "observability": {"enabled": True, "logs": {"enabled": True, "invocation_logs": True}},
        "logpush": False,
        "tags": [],
    }
    return answer(body | {key: script.settings[key] for key in body.keys() & script.settings.keys()})


async def list_scripts(context: Context, request: Request) -> Response:
    """All Workers."""
    names = context.state.scripts()
    return answer([described_script(context, name, _newest(context, name)) for name in names])


async def get_settings(context: Context, request: Request) -> Response:
    """The settings and bindings of the newest version, with the unversioned settings."""
    script = context.script(request)
    newest = _newest(context, script.name)
    body = {
        "bindings": [shown_binding(binding) for binding in newest.bindings],
        "compatibility_date": newest.metadata.get("compatibility_date"),
        "compatibility_flags": newest.metadata.get("compatibility_flags", []),
        "usage_model": "standard",
        "tags": [],
        "tail_consumers": [],
        "logpush": False,
    }
    return answer({**body, **script.settings})


async def patch_settings(context: Context, request: Request) -> Response:
    """Change what is not versioned: it holds for all versions at once, and no rollback undoes it."""
    script = context.script(request)
    return answer(context.state.change_settings(script.name, await object_of(request)))


async def list_secrets(context: Context, request: Request) -> Response:
    """The names of the secrets of the newest version."""
    script = context.script(request)
    found = [binding for binding in _newest(context, script.name).bindings if binding["type"] == SECRET]
    return answer([{"name": binding["name"], "type": SECRET} for binding in found])


async def put_secret(context: Context, request: Request) -> Response:
    """
    Set a secret: a new version with all traffic, and versions before it have other secrets.

    Refused with 10215 while the newest version does not have all traffic, so during every canary.
    """
    name = context.script(request).name
    secret = await object_of(request)
    if not isinstance(secret.get("name"), str) or not isinstance(secret.get("text"), str):
        raise ApiError(400, 10001, f"A secret must be {{name, text, type: {SECRET}}}")
    async with context.live.changing(name):
        await _with_secret(context, name, {"name": secret["name"], "type": SECRET, "text": secret["text"]})
    return answer({"name": secret["name"], "type": SECRET})


async def _with_secret(context: Context, name: str, secret: dict[str, Any]) -> None:
    newest = _newest(context, name)
    live = context.state.live(name)
    if live is None or live.versions != ((newest.id, 100.0),):
        raise ApiError(400, 10215, "Secret edit failed: the latest version of your Worker is not deployed")
    bindings = [binding for binding in newest.bindings if binding["name"] != secret["name"]]
    annotations = {**newest.metadata.get("annotations", {}), "workers/triggered_by": "secret"}
    metadata = {**newest.metadata, "bindings": [*bindings, secret], "annotations": annotations}
    by = {"workers/triggered_by": "secret"}
    await start_whole(context, name, newest.modules, metadata, annotations=by, secrets_edited=True)


async def get_subdomain(context: Context, request: Request) -> Response:
    """Whether the Worker is served on the account's subdomain."""
    script = context.script(request)
    return answer(script.settings.get("subdomain", _SUBDOMAIN))


async def post_subdomain(context: Context, request: Request) -> Response:
    """Note whether the Worker is to be served there; the front door of this edge serves it anyway."""
    script = context.script(request)
    wanted = {**script.settings.get("subdomain", _SUBDOMAIN), **await object_of(request)}
    return answer(context.state.change_settings(script.name, {"subdomain": wanted})["subdomain"])


async def delete_script(context: Context, request: Request) -> Response:
    """End a Worker: its versions, its deployments, its address."""
    name = context.script(request).name
    async with context.live.changing(name):
        context.live.forget(name)
        context.state.delete_script(name)
    return answer({"id": name})


def _newest(context: Context, name: str) -> VersionRecord:
    newest = context.state.versions(name, limit=1)[0]
    return context.version(name, newest.id)


_W = "/accounts/{account}/workers"
_S = f"{_W}/scripts/{{script}}"
_READ, _WRITE = Permission.SCRIPTS_READ, Permission.SCRIPTS_WRITE
ROUTES = (
    Route("GET", f"{_W}/services/{{service}}", get_service, _READ),
    Route("GET", f"{_W}/workers/{{worker}}", get_worker, _READ),
    Route("GET", f"{_W}/scripts", list_scripts, _READ),
    Route("DELETE", _S, delete_script, _WRITE),
    Route("GET", f"{_S}/settings", get_settings, _READ),
    Route("GET", f"{_S}/script-settings", get_settings, _READ),
    Route("PATCH", f"{_S}/script-settings", patch_settings, _WRITE),
    Route("GET", f"{_S}/secrets", list_secrets, _READ),
    Route("PUT", f"{_S}/secrets", put_secret, _WRITE),
    Route("GET", f"{_S}/subdomain", get_subdomain, _READ),
    Route("POST", f"{_S}/subdomain", post_subdomain, _WRITE),
)
