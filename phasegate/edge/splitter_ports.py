"""What the parts of the splitter need of one another."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from phasegate.edge.model import Invocation
from phasegate.edge.splitter_head import BadRequest, RequestHead
from phasegate.edge.splitter_upstream import UpstreamConnection, UpstreamPool

CANCELED = 499
# What Cloudflare tells a client of a Worker that threw, and of one that took too much.
FAILURES = {"exception": (500, "error code: 1101"), "exceededResources": (504, "error code: 1102")}


@dataclass(frozen=True)
class Limits:
    """
    How long is waited, and how much is taken.

    ``idle`` is for silent clients and stalled bodies, ``answer`` for a version's first
    byte, ``linger`` for dropping the rest of a refused request; ``head`` is in bytes.
    """

    idle: timedelta = timedelta(seconds=75)
    answer: timedelta = timedelta(seconds=30)
    linger: timedelta = timedelta(seconds=2)
    head: int = 64 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """The version that answers one request; a preview's requests are not ``logged``, as on Cloudflare."""

    script: str
    version_id: str
    logged: bool = True

    def invocation(
        self, head: RequestHead, *, at: float, status: int, outcome: str, wall_ms: float
    ) -> Invocation:
        """What is recorded of the request."""
        return Invocation(
            at,
            self.script,
            self.version_id,
            head.method.decode(),
            head.path,
            status,
            outcome,
            wall_ms,
            agent=head.agent,
        )


class Front(Protocol):
    """What an exchange needs of the splitter."""

    limits: Limits
    pool: UpstreamPool

    def pick(self, head: RequestHead, client_ip: str) -> Target:
        """The version that shall answer. Raises BadRequest."""

    def enter(self, version_id: str) -> None:
        """One more request is in flight."""

    def leave(self, version_id: str) -> None:
        """One fewer is."""

    def next_ray(self) -> bytes:
        """An id for one request."""

    async def connect(self, version_id: str) -> UpstreamConnection:
        """A fresh connection to the version, started first if need be. Raises NotServing or OSError."""

    def note(self, invocation: Invocation) -> None:
        """Record a finished request."""


class Over(Protocol):
    """What is left of an exchange that is over."""

    keep_alive: bool
    refusal: BadRequest | None

    @property
    def request_complete(self) -> bool:
        """Whether all of the request has arrived."""


class Client(Protocol):
    """What an exchange needs of the connection it came on."""

    ip: str
    full: bool

    def write(self, data: bytes) -> None:
        """Send bytes to the client."""

    def write_with_next(self, data: bytes) -> None:
        """Send bytes with the next ones, if those come soon."""

    def flow(self) -> None:
        """Read on, or stop reading, as the exchange can take it."""

    def finished(self, exchange: "Over", *, broken: bool) -> None:
        """The exchange is over; *broken* when the answer is cut short."""
