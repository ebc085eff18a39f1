"""The events of the outbox: a notice, and how its delivery went."""

from typing import Literal

from phasegate.domain.criteria import Level
from phasegate.domain.happening import Happening


class Notice(Happening):
    """A message in the outbox; it is delivered to each channel until that succeeds."""

    kind: Literal["notice"] = "notice"
    id: str
    level: Level
    channels: tuple[str, ...]
    subject: str
    text: str


class Delivered(Happening):
    """A delivery of a notice to one channel; *given_up* when repeating cannot help."""

    kind: Literal["delivered"] = "delivered"
    notice: str
    channel: str
    ok: bool
    given_up: bool = False
    detail: str = ""
