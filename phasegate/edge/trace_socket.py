"""
The WebSocket of a tail, as lenient as Cloudflare's.

wrangler sends its first message unmasked, which RFC 6455 forbids (5.1) and Cloudflare bears.
"""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_MASKED = 0x80
_NO_KEY = bytes(4)


class LenientProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, which also reads short messages that are not masked."""

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client; before the handshake is complete they are HTTP."""
        super().data_received(masked(data) if self.handshake_complete else data)


def masked(data: bytes) -> bytes:
    """*data* with the whole, short frames at its beginning masked by zeros, which changes no payload."""
    front = b""
    while len(data) >= 2 and data[1] < 126 and len(data) >= (end := 2 + data[1]):
        front += bytes((data[0], data[1] | _MASKED)) + _NO_KEY + data[2:end]
        data = data[end:]
    return front + data
