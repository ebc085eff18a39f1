"""
Static assets: upload sessions, and what a version's assets are.

A session begins with a manifest ``{"/path": {"hash", "size"}}``. Its token (a JWT, as clients
decode it) is good for uploading the files that are missing; the completion token, given once
none is, is what a version's upload names in ``assets.jwt``.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from phasegate.edge.envelope import ApiError
from phasegate.edge.state import State

LIFE = 3600
BUCKET = 50
MOST_FILES = 20_000
MOST_BYTES = 25 * 1024 * 1024


@dataclass
class Session:
    """One upload of the assets of *script*."""

    script: str
    manifest: dict[str, str]
    missing: set[str] = field(default_factory=set)


class Assets:
    """The sessions of one edge; the files themselves are in its state."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._key = secrets.token_bytes(32)
        self._sessions: dict[str, Session] = {}

    def open(self, script: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """``{jwt, buckets}``: the digests to be uploaded, in lists; none when all files are known."""
        files = {path: _digest(path, entry) for path, entry in manifest.items()}
        if len(files) > MOST_FILES:
            raise ApiError(400, 10021, f"{len(files)} assets; at most {MOST_FILES} are allowed")
        missing = sorted({digest for digest in files.values() if self._state.asset(digest) is None})
        name = secrets.token_hex(16)
        self._sessions[name] = Session(script, files, set(missing))
        buckets = [missing[start : start + BUCKET] for start in range(0, len(missing), BUCKET)]
        return {"jwt": self._token(name, complete=not missing), "buckets": buckets}

    def add(self, token: str, files: Mapping[str, tuple[str, bytes]]) -> str | None:
        """Store *files* (digest to content type and bytes); the completion token once none is missing."""
        name, session = self._session(token, complete=False)
        for digest, (content_type, data) in files.items():
            if digest not in session.manifest.values():
                raise ApiError(400, 10021, f"the asset {digest} is not in the manifest of this session")
            if len(data) > MOST_BYTES:
                raise ApiError(413, 10027, f"the asset {digest} is larger than {MOST_BYTES} bytes")
            self._state.add_asset(digest, content_type, data)
            session.missing.discard(digest)
        return None if session.missing else self._token(name, complete=True)

    def claim(self, script: str, assets: Mapping[str, Any]) -> dict[str, Any]:
        """What a version keeps of the ``assets`` of its upload: ``{config, manifest: {path: digest}}``."""
        _, session = self._session(str(assets.get("jwt") or ""), complete=True)
        if session.script != script:
            raise ApiError(400, 10021, f"these assets were uploaded for {session.script}, not for {script}")
        return {"config": dict(assets.get("config") or {}), "manifest": session.manifest}

    def _token(self, name: str, *, complete: bool) -> str:
        head = _part({"alg": "HS256", "typ": "JWT"})
        claims = _part({"session": name, "complete": complete, "exp": int(time.time()) + LIFE})
        return f"{head}.{claims}.{self._signature(f'{head}.{claims}')}"

    def _signature(self, text: str) -> str:
        return _encoded(hmac.digest(self._key, text.encode(), hashlib.sha256))

    def _session(self, token: str, *, complete: bool) -> tuple[str, Session]:
        text, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(text).encode()):
            raise ApiError(401, 10000, "the assets' token is none that this edge gave")
        padded = text.partition(".")[2]
        claims = json.loads(base64.urlsafe_b64decode(padded + "=" * (-len(padded) % 4)))
        if claims["exp"] < time.time() or claims["complete"] is not complete:
            wanted = "completion" if complete else "upload"
            raise ApiError(401, 10000, f"the assets' token has expired, or is not the {wanted} token")
        return claims["session"], self._sessions[claims["session"]]


def _digest(path: str, entry: Any) -> str:
    digest = entry.get("hash") if isinstance(entry, Mapping) else None
    if not path.startswith("/") or not isinstance(digest, str) or not 16 <= len(digest) <= 64:
        raise ApiError(400, 10021, f"the manifest's entry {path!r} must be {{hash, size}} of a path with /")
    return digest


def _part(claims: Mapping[str, Any]) -> str:
    return _encoded(json.dumps(claims).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
