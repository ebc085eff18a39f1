"""Signed access tokens, verified without the database."""

import base64
import binascii
import hashlib
import hmac
import json

from web import HttpError


def sign(secret: str, owner: str, expires_at: int) -> str:
    """A token for *owner* until *expires_at* (epoch seconds): ``payload.signature``, both base64url."""
    payload = _encode(json.dumps({"sub": owner, "exp": expires_at}, separators=(",", ":")).encode())
    return f"{payload}.{_signature(secret, payload)}"


def verify(secret: str, token: str, now: float) -> str:
    """The owner of a token; 401 when it is forged, broken or too old."""
    payload, _, signature = token.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(secret, payload).encode()):
        raise unauthorized("invalid_token", "the token is not one of ours")
    claims = json.loads(_decode(payload))
    if claims["exp"] <= now:
        raise unauthorized("invalid_token", "the token has expired; refresh it", code="token-expired")
    return str(claims["sub"])


def unauthorized(error: str, message: str, *, code: str = "unauthorized") -> HttpError:
    """The 401 of RFC 6750, with its WWW-Authenticate header."""
    challenge = 'Bearer realm="spring-rate-api"' + (f', error="{error}"' if error else "")
    return HttpError(401, code, message, WWW_Authenticate=challenge)


def _signature(secret: str, payload: str) -> str:
    return _encode(hmac.digest(secret.encode(), payload.encode(), hashlib.sha256))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error) as error:
        raise unauthorized("invalid_token", "the token is not one of ours") from error
