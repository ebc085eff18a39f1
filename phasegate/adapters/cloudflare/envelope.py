"""
What an answer of the API amounts to: a result, or one of the ways it can go wrong.

Envelope: ``{"success": bool, "errors": [{"code", "message"}], "result": …}``. As in
wrangler, ``success`` decides and not the HTTP status; 204 and 205 are empty results.

::

    TargetAway
    ├── NotActed     turned away before anything happened: waiting and asking again is right
    └── Ambiguous    it may have acted: a write is followed by a reading, never by a second write
    SettingsError    the token or the account is refused
    └── Rejected     this request is refused, with codes; nothing happened
"""

import json
import math
from typing import Any

import httpx

from phasegate.domain.errors import SettingsError, TargetAway

# A rate limit that was exceeded blocks a token for five minutes.
LONGEST_WAIT = 300.0
MISSING_WORKER = frozenset({10007, 10090})
_BAD_TOKEN = frozenset({6003, 6111, 9106, 9109, 10000})
# "An unknown error", seen when two deployments are made at once: it says nothing about the effect.
_UNKNOWN_ERROR = 10013
_EMPTY = frozenset({204, 205})


class NotActed(TargetAway):
    """Nothing happened; ``after`` is the seconds that the platform wants us to wait, or None."""

    def __init__(self, text: str, *, after: float | None = None) -> None:
        super().__init__(text)
        self.after = after


class Ambiguous(TargetAway):
    """Whether it happened is unknown; ``after`` as in NotActed."""

    def __init__(self, text: str, *, after: float | None = None) -> None:
        super().__init__(text)
        self.after = after


class Rejected(SettingsError):
    """The platform understood and refused; ``codes`` are its error codes, ``words`` its text."""

    def __init__(self, asked: str, words: str, *, status: int, codes: frozenset[int]) -> None:
        super().__init__(f"{asked}: {words}")
        self.words = words
        self.status = status
        self.codes = codes

    @property
    def missing_worker(self) -> bool:
        """Whether the reason is that the Worker does not exist."""
        return self.status == httpx.codes.NOT_FOUND and bool(self.codes & MISSING_WORKER)


def result_of(response: httpx.Response, *, asked: str, needs: str = "") -> Any:
    """
    The ``result`` of an answer to *asked* (method and path); *needs* says what the token is to have.

    Raises NotActed for 429, Ambiguous for 5xx and for text that is no envelope,
    SettingsError for a refused token, Rejected for every other refusal.
    """
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise NotActed(f"{asked}: {_words(response)}", after=_retry_after(response))
    if response.status_code in _EMPTY:
        return None
    body = _envelope(response, asked=asked)
    if response.is_success and body.get("success") is True:
        return body.get("result")
    raise _refusal(response, body, asked=asked, needs=needs)


def data_of(response: httpx.Response, *, asked: str, needs: str = "") -> Any:
    """
    The ``data`` of a GraphQL answer, which says what is wrong in ``errors`` and with HTTP 200.

    Raises as `result_of` does; a question that is refused is a Rejected.
    """
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise NotActed(f"{asked}: {_words(response)}", after=_retry_after(response))
    body = _envelope(response, asked=asked)
    if response.is_success and not body.get("errors"):
        return body.get("data")
    raise _refusal(response, body, asked=asked, needs=needs)


def _envelope(response: httpx.Response, *, asked: str) -> dict[str, Any]:
    if response.headers.get("cf-mitigated") == "challenge":
        raise NotActed(f"{asked}: stopped by a firewall challenge in front of the API{_ray(response)}")
    if response.is_server_error:
        raise Ambiguous(f"{asked}: {_words(response)}", after=_retry_after(response))
    try:
        body = json.loads(response.content)
    except ValueError:
        body = None
    if isinstance(body, dict):
        return body
    if response.is_success:
        raise Ambiguous(f"{asked}: HTTP {response.status_code} without an envelope{_ray(response)}")
    return {}


def _refusal(response: httpx.Response, body: dict[str, Any], *, asked: str, needs: str) -> Exception:
    codes, words = _codes(body), _words(response)
    if _UNKNOWN_ERROR in codes:
        return Ambiguous(f"{asked}: {words}")
    if response.status_code in {401, 403} or codes & _BAD_TOKEN:
        return SettingsError(f"{asked}: Cloudflare refuses the token: {words}{f'; {needs}' if needs else ''}")
    return Rejected(asked, words, status=response.status_code, codes=codes)


def _codes(body: dict[str, Any]) -> frozenset[int]:
    return frozenset(error["code"] for error in _errors(body) if isinstance(error.get("code"), int))


def _errors(body: Any) -> list[dict[str, Any]]:
    errors = body.get("errors") if isinstance(body, dict) else None
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []


def _words(response: httpx.Response) -> str:
    try:
        errors = _errors(json.loads(response.content))
    except ValueError:
        errors = []
    said = "; ".join(f"{error.get('message', '')} [code {error.get('code', '?')}]" for error in errors)
    return f"HTTP {response.status_code} {said or response.reason_phrase}{_ray(response)}"


def _ray(response: httpx.Response) -> str:
    ray = response.headers.get("cf-ray")
    return f" (cf-ray {ray})" if ray else ""


def _retry_after(response: httpx.Response) -> float | None:
    try:
        wanted = float(response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return None if math.isnan(wanted) else min(max(wanted, 0.0), LONGEST_WAIT)
