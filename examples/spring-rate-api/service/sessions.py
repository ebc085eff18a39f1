"""
``/api/sessions``: short access tokens, long refresh tokens.

A session is anonymous: the client's own random ``clientId`` says whose calculations
these are, so that two devices that share it share their data.
"""

import hashlib
import secrets
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import records
import tokens
from connections import connect
from database import Statement
from spring import ID, invalid
from web import HttpError, Request, Response, json_response

ACCESS_SECONDS = 900
REFRESH_SECONDS = 14 * 86_400

_INSERT = "INSERT INTO sessions (refresh_hash, owner, expires_at) VALUES (?1, ?2, ?3)"
_PURGE = "DELETE FROM sessions WHERE expires_at < ?1"
_FIND = "SELECT owner FROM sessions WHERE refresh_hash = ?1 AND revoked_at IS NULL AND expires_at > ?2"
_SPEND = "UPDATE sessions SET revoked_at = ?2 WHERE refresh_hash = ?1 AND revoked_at IS NULL AND owner = ?3"


def owner_of(request: Request) -> str:
    """The owner named by the bearer token; 401 without a valid one."""
    scheme, _, token = request.header(b"authorization").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise tokens.unauthorized("", "send Authorization: Bearer <token>")
    return tokens.verify(request.env.SESSION_SECRET, token.strip(), time.time())


async def create(request: Request) -> Response:
    """``POST /api/sessions {clientId?, ttl?}``: 201 ``{token, refreshToken, expiresAt}``."""
    body = request.json()
    owner, ttl = _client_id(body), _ttl(body)
    database = await connect(request.env)
    refresh_token, insert = _new_refresh_token(owner)
    await database.batch((_PURGE, (int(time.time()),)), insert)
    return json_response(_session(request.env, owner, refresh_token, ttl), 201)


async def refresh(request: Request) -> Response:
    """``POST /api/sessions/refresh {refreshToken, ttl?}``: a new pair; the old refresh token is spent."""
    body = request.json()
    ttl, hashed = _ttl(body), _hash(_refresh_token(body))
    database = await connect(request.env)
    found = await database.row(_FIND, hashed, int(time.time()))
    if found is None or not await database.write(_SPEND, hashed, int(time.time()), found["owner"]):
        raise _refused()
    refresh_token, (sql, params) = _new_refresh_token(found["owner"])
    await database.write(sql, *params)
    return json_response(_session(request.env, found["owner"], refresh_token, ttl))


async def revoke(request: Request) -> Response:
    """``DELETE /api/sessions {refreshToken}``: 204; the access token lapses by itself."""
    hashed = _hash(_refresh_token(request.json()))
    database = await connect(request.env)
    if not await database.write(_SPEND, hashed, int(time.time()), request.owner):
        raise _refused()
    return Response(204, b"", "application/json")


def _session(env: Any, owner: str, refresh_token: str, ttl: int) -> dict[str, str]:
    expires_at = int(time.time()) + ttl
    return {
        "token": tokens.sign(env.SESSION_SECRET, owner, expires_at),
        "refreshToken": refresh_token,
        "expiresAt": records.stamp(datetime.fromtimestamp(expires_at, UTC)),
    }


def _new_refresh_token(owner: str) -> tuple[str, Statement]:
    token = secrets.token_urlsafe(32)
    return token, (_INSERT, (_hash(token), owner, int(time.time()) + REFRESH_SECONDS))


def _client_id(body: dict[str, Any]) -> str:
    value = body.get("clientId", "")
    if value == "":
        return str(uuid.uuid4())
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise invalid("clientId", "must be 8 to 64 letters, digits, - or _")
    return value


def _ttl(body: dict[str, Any]) -> int:
    value = body.get("ttl", ACCESS_SECONDS)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= ACCESS_SECONDS:
        raise invalid("ttl", f"must be a whole number of seconds from 1 to {ACCESS_SECONDS}")
    return value


def _refresh_token(body: dict[str, Any]) -> str:
    value = body.get("refreshToken")
    if not isinstance(value, str) or not value:
        raise invalid("refreshToken", "is missing")
    return value


def _refused() -> HttpError:
    return tokens.unauthorized("invalid_token", "the refresh token is unknown, spent, revoked or expired")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
