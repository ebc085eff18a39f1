"""Versions and traffic of Workers, over Cloudflare's API."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from phasegate.adapters.cloudflare import uploads, way_back
from phasegate.adapters.cloudflare.assets import upload_assets
from phasegate.adapters.cloudflare.client import CloudflareClient, script_path
from phasegate.adapters.cloudflare.envelope import NotActed, Rejected
from phasegate.adapters.cloudflare.wire import (
    MESSAGE,
    Deployments,
    UploadedVersion,
    UploadedVersions,
    parse,
)
from phasegate.adapters.cloudflare.writing import Patience, bring_about
from phasegate.domain.bundle import Bundle
from phasegate.domain.errors import (
    BundleError,
    CannotRestore,
    Drift,
    Refused,
    SecretsChanged,
    SettingsError,
    Unconfirmed,
)
from phasegate.domain.plan import Environment
from phasegate.domain.standing import Obstacle
from phasegate.domain.versions import LiveSplit, Split, Version

# A version that was just created may not be readable everywhere yet.
_TOO_FRESH = 100146
_SECRETS_CHANGED = 10220


class CloudflareTarget:
    """
    Implements ``Target``.

    *front_door* is the address of a Worker with ``{worker}`` for its name, such as
    ``https://{worker}.example.workers.dev``. *client* writes (Workers Scripts Write), *reader*
    reads and needs Workers Scripts Read and D1 Read; without one *client* reads too.
    Nothing is forced without being asked for: ``?force=true`` overrules Cloudflare's
    refusal to bring back a version with other secrets.
    """

    def __init__(
        self,
        client: CloudflareClient,
        *,
        front_door: str,
        reader: CloudflareClient | None = None,
        patience: Patience | None = None,
    ) -> None:
        if "{worker}" not in front_door:
            raise SettingsError(f"the front door {front_door!r} must hold {{worker}} where the name goes")
        self._client = client
        self._reader = reader or client
        self._front_door = front_door.rstrip("/")
        self._patience = patience or Patience()

    def front_door(self, worker: str) -> str:
        """The address at which users reach the Worker, without a trailing slash."""
        return self._front_door.replace("{worker}", worker)

    async def live(self, worker: str) -> LiveSplit | None:
        """The newest deployment, which is the one in force; None when the Worker does not exist."""
        return (await self._deployments(worker)).live()

    async def _deployments(self, worker: str) -> Deployments:
        """Newest first; none when the Worker does not exist."""
        path = script_path(worker, "deployments")
        try:
            result = await self._reader.read(path)
        except Rejected as refusal:
            if refusal.missing_worker:
                return Deployments()
            raise
        return parse(Deployments, result, asked=f"GET {path}")

    async def versions(self, worker: str) -> tuple[Version, ...]:
        """The deployable versions, newest first; none when the Worker does not exist."""
        return tuple(item.version() for item in await self._uploaded(worker))

    async def obstacles(self, worker: str, version: str, *, candidate: Bundle | str) -> tuple[Obstacle, ...]:
        """What may keep *version* from being brought back; see ``Target.obstacles``."""
        return await way_back.obstacles(self._reader, worker, version, candidate=candidate)

    async def databases(self, worker: str, version: str) -> Mapping[str, str]:
        """``GET …/versions/<id>``: D1 bindings and their databases; see ``Target.databases``."""
        return await way_back.databases(self._reader, worker, version)

    async def set_split(
        self, worker: str, split: Split, *, message: str, was: str, force: bool = False
    ) -> LiveSplit:
        """
        ``POST …/deployments``, then read it back; see ``Target.set_split``.

        Versions are listed by id, so that their order is the same in every deployment
        of a release. A version at 0 % belongs to the split: only then do override
        headers reach it.
        """

        async def read() -> LiveSplit | None:
            return _still_free(await self._deployments(worker), worker=worker, split=split, was=was)

        return await bring_about(
            read,
            lambda: self._deploy(worker, split, message=message, force=force),
            patience=self._patience,
            what=f"the split of {worker}",
        )

    async def upload(self, worker: str, bundle: Bundle, *, environment: Environment, release: str) -> Version:
        """``POST …/versions``; found again by the mark in its message, see ``Target.upload``."""
        mark = uploads.mark(bundle, release)

        async def read() -> Version | None:
            return await self._find(worker, mark)

        return await bring_about(
            read,
            lambda: self._upload(
                worker, ("POST", script_path(worker, "versions")), bundle, environment=environment, mark=mark
            ),
            patience=self._patience,
            what=f"the upload to {worker}",
        )

    async def create(self, worker: str, bundle: Bundle, *, environment: Environment, release: str) -> Version:
        """
        ``PUT …/scripts/<name>`` for a Worker that does not exist yet.

        Raises Refused when it exists and was not made by this release and bundle:
        a PUT would replace what it serves at once.
        """
        mark = uploads.mark(bundle, release)
        tries: list[str] = []

        async def read() -> Version | None:
            return await self._created(worker, mark, tries=tries)

        async def send() -> None:
            await self._put(worker, bundle, environment=environment, mark=mark, tries=tries)

        what = f"the creation of {worker}"
        return await bring_about(read, send, patience=self._patience, what=what)

    async def delete(self, worker: str) -> None:
        """Delete a Worker with all its versions; one that does not exist is no error."""
        try:
            await self._client.erase(script_path(worker), params={"force": "true"})
        except Rejected as refusal:
            if not refusal.missing_worker:
                raise

    async def _deploy(self, worker: str, split: Split, *, message: str, force: bool) -> None:
        body = {
            "strategy": "percentage",
            "versions": _listed(split),
            "annotations": {MESSAGE: uploads.cut(message)},
        }
        path = script_path(worker, "deployments")
        await _refusable(
            lambda: self._client.write("POST", path, params={"force": "true"} if force else None, json=body),
            lambda refusal: _unrestorable(worker, refusal),
        )

    async def _upload(
        self, worker: str, how: tuple[str, str], bundle: Bundle, *, environment: Environment, mark: str
    ) -> None:
        method, path = how
        assets = await upload_assets(self._client, worker, bundle.assets) if bundle.assets else ""
        parts = uploads.upload_parts(bundle, environment=environment, mark=mark, assets=assets)
        await _refusable(
            lambda: self._client.write(method, path, params={"bindings_inherit": "strict"}, parts=parts),
            lambda refusal: BundleError(
                uploads.without_secrets(
                    f"Cloudflare refuses the bundle ({method} {path}): {refusal.words}",
                    bundle,
                    environment=environment,
                )
            ),
        )

    async def _put(
        self, worker: str, bundle: Bundle, *, environment: Environment, mark: str, tries: list[str]
    ) -> None:
        if tries and await self.live(worker) is not None:
            raise Unconfirmed(f"{worker} exists now, but nothing shows that this release created it")
        tries.append("sent")
        await self._upload(worker, ("PUT", script_path(worker)), bundle, environment=environment, mark=mark)
        tries.append("accepted")

    async def _created(self, worker: str, mark: str, *, tries: list[str]) -> Version | None:
        if (live := await self.live(worker)) is None:
            return None
        version = await self._find(worker, mark)
        if version is None and "accepted" in tries:
            return Version(id=live.split.shares[0].version)
        if version is None and not tries:
            raise Refused(
                f"the Worker {worker!r} exists already and was not created by this release; "
                "upload the bundle as a version of it instead"
            )
        return version

    async def _find(self, worker: str, mark: str) -> Version | None:
        for item in await self._uploaded(worker):
            if uploads.carries(item.message, mark):
                return item.version()
        return None

    async def _uploaded(self, worker: str) -> tuple[UploadedVersion, ...]:
        path = script_path(worker, "versions")
        try:
            result = await self._reader.read(path, params={"deployable": "true"})
        except Rejected as refusal:
            if refusal.missing_worker:
                return ()
            raise
        return parse(UploadedVersions, result, asked=f"GET {path}").items


async def _refusable(send: Callable[[], Awaitable[Any]], error: Callable[[Rejected], Exception]) -> None:
    try:
        await send()
    except Rejected as refusal:
        if _TOO_FRESH in refusal.codes:
            raise NotActed(str(refusal)) from None
        raise error(refusal) from None


def _unrestorable(worker: str, refusal: Rejected) -> CannotRestore:
    kind = SecretsChanged if _SECRETS_CHANGED in refusal.codes else CannotRestore
    return kind(f"{worker}: Cloudflare refuses this split: {refusal.words}")


def _still_free(known: Deployments, *, worker: str, split: Split, was: str) -> LiveSplit | None:
    live = known.live()
    if live is None:
        raise Drift(f"the Worker {worker!r} does not exist any more; somebody deleted it")
    if was not in {deployment.id for deployment in known.deployments}:
        # A list without the deployment that was read before is an older one. It says nothing, even when it
        # shows the wanted split: a take-back wants what was live before the promotion.
        return None
    if _listed(live.split) == _listed(split):
        return live
    if live.id != was and not live.split.same_traffic(split):
        raise Drift(
            f"{worker}: deployment {live.id} ({_words(live.split)}) is live instead of {was}; "
            f"somebody else deployed{f': {live.message}' if live.message else ''}"
        )
    return None


def _listed(split: Split) -> list[dict[str, Any]]:
    shares = sorted(split.shares, key=lambda share: share.version)
    return [{"version_id": s.version, "percentage": _number(s.weight)} for s in shares]


def _number(weight: float) -> float:
    weight = round(weight, 3)
    return int(weight) if weight == int(weight) else weight


def _words(split: Split) -> str:
    return ", ".join(f"{share.version[:8]} at {share.weight:g} %" for share in split.shares)
