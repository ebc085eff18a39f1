"""Reach ``name.localhost`` on the loopback interface, as RFC 6761 wants, whatever the resolver knows."""

import ssl
from functools import cache

import httpx

LOOPBACK = "127.0.0.1"


@cache
def ssl_context() -> ssl.SSLContext:
    """The one context of this process; each further one would cost 26 ms and 670 KiB."""
    return httpx.create_ssl_context()


def is_localhost(host: str) -> bool:
    """Whether *host* is ``localhost`` or a name below it."""
    return host == "localhost" or host.endswith(".localhost")


class LocalhostTransport(httpx.AsyncHTTPTransport):
    """
    Connects to 127.0.0.1 for hosts under ``.localhost`` and leaves every other host alone.

    The ``Host`` header, made from the original address, still names the Worker.
    """

    def __init__(self, *, limits: httpx.Limits) -> None:
        super().__init__(verify=ssl_context(), limits=limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request*, to the loopback interface when its host is under ``.localhost``."""
        if is_localhost(request.url.host):
            request.extensions = {**request.extensions, "sni_hostname": request.url.host}
            request.url = request.url.copy_with(host=LOOPBACK)
        return await super().handle_async_request(request)
