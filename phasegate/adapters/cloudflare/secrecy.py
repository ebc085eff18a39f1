"""The token: checked once, sent with each request, taken out of every text."""

import re
from collections.abc import Generator, Iterable

import httpx
from pydantic import SecretStr

from phasegate.domain.errors import SettingsError

# What a header can carry: anything else would make the HTTP library quote the token in its complaint.
_SENDABLE = re.compile(r"[\x21-\x7e]+")
_HIDDEN = "[hidden]"


class BearerToken(httpx.Auth):
    """
    Puts the token into each request; neither this nor the client shows it in a repr.

    Raises SettingsError when it is empty or holds blanks or characters outside ASCII.
    """

    def __init__(self, token: SecretStr) -> None:
        if not _SENDABLE.fullmatch(token.get_secret_value()):
            raise SettingsError(
                "the Cloudflare token is empty or has characters that no token has; "
                "allowed are printable ASCII characters without blanks"
            )
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the ``Authorization`` header."""
        request.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        yield request

    def hide(self, text: str) -> str:
        """*text* without the token, should the other side have echoed it."""
        return hide(text, [self._token.get_secret_value()])


def hide(text: str, secrets: Iterable[str]) -> str:
    """*text* with each of *secrets* blotted out."""
    for secret in secrets:
        text = text.replace(secret, _HIDDEN) if secret else text
    return text
