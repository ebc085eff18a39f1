"""
Whether a version could be brought back, as far as Cloudflare's API tells before it is asked to.

Codes it answers with when it cannot: 10220 (secrets changed since that version), 10211 (the
life cycle of a Durable Object changed). Only the newest 100 versions can be deployed.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from phasegate.adapters.cloudflare.client import CloudflareClient, script_path
from phasegate.adapters.cloudflare.envelope import Rejected
from phasegate.adapters.cloudflare.wire import (
    Binding,
    UploadedVersion,
    UploadedVersions,
    VersionDetail,
    parse,
)
from phasegate.domain.bundle import Bundle
from phasegate.domain.errors import FixTheInput
from phasegate.domain.plan import Environment
from phasegate.domain.standing import Hurdle, Obstacle

DEPLOYABLE = 100
_TRIGGER = "workers/triggered_by"
_SECRETS = frozenset({"secret_text", "secret_key"})
_DURABLE = "durable_object_namespace"
# What is bound by an id that somebody may delete; the others live in the version or in its script.
_PLACES = {
    "d1": ("D1 database", "d1/database", ("id", "database_id")),
    "service": ("Worker", "workers/services", ("service",)),
}
_SELF_CONTAINED = _SECRETS | {
    *("plain_text", "json", "version_metadata", "assets", "inherit", "wasm_module", "text_blob", "data_blob"),
    *(_DURABLE, "ai", "browser"),
}


async def obstacles(
    client: CloudflareClient, worker: str, version: str, *, candidate: Bundle | str
) -> tuple[Obstacle, ...]:
    """
    What may keep *version* of *worker* from being brought back once *candidate* took traffic.

    *candidate* is a bundle that is still to be uploaded, or the id of an uploaded version, or
    empty when there is none yet. What may not be read is an obstacle of the
    kind ``unknown``, with the reason. Raises TargetAway.
    """
    found: list[Obstacle] = []
    uploads = isinstance(candidate, Bundle)
    try:
        metadata = await _metadata(client, worker, candidate)
        async for obstacle in _all(client, worker, version, metadata, uploads=uploads):
            found.append(obstacle)
    except FixTheInput as failure:
        found.append(_unknown(f"the rest of the way back could not be examined: {failure}"))
    return tuple(found)


async def databases(client: CloudflareClient, worker: str, version: str) -> dict[str, str]:
    """The D1 bindings of an uploaded version: name -> id of the database."""
    keys = _PLACES["d1"][2]
    detail = await _detail(client, worker, version)
    return {each.name: _ident(each, keys) for each in detail.resources.bindings if each.type == "d1"}


async def _metadata(client: CloudflareClient, worker: str, candidate: Bundle | str) -> Mapping[str, Any]:
    if isinstance(candidate, Bundle):
        return candidate.metadata[Environment.PRODUCTION]
    if not candidate:
        return {}
    detail = await _detail(client, worker, candidate)
    # An uploaded version shows the secrets it inherited as its own; only its Durable Objects tell something.
    return {"bindings": [binding.model_dump() for binding in _durables(detail)]}


async def _detail(client: CloudflareClient, worker: str, version: str) -> VersionDetail:
    path = script_path(worker, "versions", version)
    return parse(VersionDetail, await client.read(path), asked=f"GET {path}")


async def _all(
    client: CloudflareClient, worker: str, version: str, metadata: Mapping[str, Any], *, uploads: bool
) -> AsyncIterator[Obstacle]:
    listed = await _listed(client, worker)
    for obstacle in _deployable(listed, version, uploads=int(uploads)):
        yield obstacle
    detail = await _detail(client, worker, version)
    names = {secret["name"] for secret in await client.read(script_path(worker, "secrets"))}
    for obstacle in _secrets(listed, version, detail, names=names, metadata=metadata):
        yield obstacle
    for obstacle in _durable(detail, metadata):
        yield obstacle
    for binding in detail.resources.bindings:
        if (missing := await _missing(client, binding)) is not None:
            yield missing


async def _listed(client: CloudflareClient, worker: str) -> tuple[UploadedVersion, ...]:
    path = script_path(worker, "versions")
    result = await client.read(path, params={"deployable": "true"})
    return parse(UploadedVersions, result, asked=f"GET {path}").items


def _deployable(listed: tuple[UploadedVersion, ...], version: str, *, uploads: int) -> Iterable[Obstacle]:
    place = _place(listed, version)
    if place is None:
        text = f"version {version[:8]} is not among the {DEPLOYABLE} newest, which alone can be deployed"
        yield Obstacle(hurdle=Hurdle.NOT_DEPLOYABLE, text=text)
    elif place + uploads >= DEPLOYABLE:
        text = (
            f"version {version[:8]} is the oldest of the {DEPLOYABLE} that can be deployed; "
            "the upload of the candidate pushes it out"
        )
        yield Obstacle(hurdle=Hurdle.NOT_DEPLOYABLE, text=text)


def _place(listed: tuple[UploadedVersion, ...], version: str) -> int | None:
    return next((place for place, item in enumerate(listed) if item.id == version), None)


def _secrets(
    listed: tuple[UploadedVersion, ...],
    version: str,
    detail: VersionDetail,
    *,
    names: set[str],
    metadata: Mapping[str, Any],
) -> Iterable[Obstacle]:
    known = {binding.name for binding in detail.resources.bindings if binding.type in _SECRETS}
    newer = listed[: _place(listed, version) or 0]
    edits = [item for item in newer if str((item.annotations or {}).get(_TRIGGER, "")) == "secret"]
    why = [f"secrets were edited after it ({len(edits)} times)"] if edits else []
    if names != known:
        why.append(f"the Worker has {_names(names)} now, the version {_names(known)}")
    brought = {str(each.get("name")) for each in _bindings(metadata) if each.get("type") in _SECRETS}
    if brought - known:
        why.append(f"the candidate brings {_names(brought - known)}")
    if why:
        text = (
            f"Cloudflare may refuse version {version[:8]} (10220), or it would run with other secrets: "
            + "; ".join(why)
        )
        yield Obstacle(hurdle=Hurdle.SECRETS, text=text)
    elif brought:
        text = f"whether the candidate's own value of {_names(brought)} is another one (no API tells)"
        yield Obstacle(hurdle=Hurdle.NOT_EXAMINED, text=text)


def _names(names: set[str]) -> str:
    return "the secrets " + ", ".join(sorted(names)) if names else "no secret"


def _durable(detail: VersionDetail, metadata: Mapping[str, Any]) -> Iterable[Obstacle]:
    before = {(b.name, str((b.model_extra or {}).get("class_name"))) for b in _durables(detail)}
    after = {
        (str(each.get("name")), str(each.get("class_name")))
        for each in _bindings(metadata)
        if each.get("type") == _DURABLE
    }
    migrates = bool(metadata.get("migrations"))
    if migrates or (metadata and before != after):
        what = "declares a migration of Durable Objects" if migrates else "binds other Durable Objects"
        text = f"the candidate {what}; Cloudflare refuses to go back past that (10211)"
        yield Obstacle(hurdle=Hurdle.DURABLE_OBJECTS, text=text)


def _durables(detail: VersionDetail) -> list[Binding]:
    return [binding for binding in detail.resources.bindings if binding.type == _DURABLE]


def _bindings(metadata: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [each for each in metadata.get("bindings") or () if isinstance(each, Mapping)]


async def _missing(client: CloudflareClient, binding: Binding) -> Obstacle | None:
    if binding.type in _SELF_CONTAINED:
        return None
    place = _PLACES.get(binding.type)
    ident = _ident(binding, place[2]) if place else ""
    if place is None or not ident:
        text = f"whether what binding {binding.name} ({binding.type}) leads to still exists"
        return Obstacle(hurdle=Hurdle.NOT_EXAMINED, text=text)
    what, path, _ = place
    try:
        await client.read(f"{path}/{quote(ident, safe='')}")
    except Rejected as refusal:
        if refusal.status != 404:
            return _unknown(f"binding {binding.name} ({what} {ident}) could not be examined: {refusal.words}")
        text = f"binding {binding.name}: the {what} {ident} does not exist any more"
        return Obstacle(hurdle=Hurdle.BINDING, text=text)
    except FixTheInput as failure:
        return _unknown(f"binding {binding.name} ({what} {ident}) could not be examined: {failure}")
    return None


def _ident(binding: Binding, keys: tuple[str, ...]) -> str:
    extra = binding.model_extra or {}
    return next((str(extra[key]) for key in keys if extra.get(key)), "")


def _unknown(text: str) -> Obstacle:
    return Obstacle(hurdle=Hurdle.UNKNOWN, text=text)
