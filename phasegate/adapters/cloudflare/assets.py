"""
Static assets: the two calls that bring the files over before a version names them.

Shapes: ``POST …/scripts/<name>/assets-upload-session {manifest: {path: {hash, size}}}`` answers
``{jwt, buckets: [[hash]]}``; ``POST …/workers/assets/upload?base64=true`` takes a bucket's files as
parts named by their hash, authorized by that ``jwt``, and its last answer holds the completion token.
"""

import base64
import hashlib
from pathlib import PurePosixPath
from typing import Any

from pydantic import SecretStr

from phasegate.adapters.cloudflare.client import CloudflareClient, script_path
from phasegate.domain.bundle import Asset
from phasegate.domain.errors import TargetAway

UPLOAD = "workers/assets/upload"


async def upload_assets(client: CloudflareClient, worker: str, assets: tuple[Asset, ...]) -> str:
    """
    Bring over the files that Cloudflare lacks; the token that a version's ``assets.jwt`` takes.

    Files are known by their digest, so that both calls may be repeated.
    """
    files = {digest(asset): asset for asset in assets}
    manifest = {asset.path: {"hash": digest(asset), "size": len(asset.data)} for asset in assets}
    path = script_path(worker, "assets-upload-session")
    session = await client.ask(path, {"manifest": manifest})
    token = _token(session, asked=path)
    buckets = session.get("buckets") or ()
    completion = "" if buckets else token
    for bucket in buckets:
        parts = [_part(each, files[each]) for each in bucket]
        answer = await client.send_files(UPLOAD, parts, token=SecretStr(token))
        completion = str((answer or {}).get("jwt") or completion)
    if not completion:
        raise TargetAway(f"{UPLOAD}: every file was sent, and Cloudflare gave no completion token")
    return completion


def digest(asset: Asset) -> str:
    """32 hexadecimal digits over the bytes and the extension, as Cloudflare's own example makes them."""
    extension = PurePosixPath(asset.path).suffix.removeprefix(".")
    return hashlib.sha256(base64.b64encode(asset.data) + extension.encode()).hexdigest()[:32]


def _part(name: str, asset: Asset) -> tuple[str, tuple[str | None, bytes, str]]:
    return name, (name, base64.b64encode(asset.data), asset.content_type)


def _token(session: Any, *, asked: str) -> str:
    token = session.get("jwt") if isinstance(session, dict) else None
    if not isinstance(token, str) or not token:
        raise TargetAway(f"POST {asked}: the answer has no jwt")
    return token
