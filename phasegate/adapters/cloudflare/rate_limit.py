"""What a token has heard of its rate limit."""

import time

from phasegate.urgency import is_taking_back

# A take-back is tried again after so many seconds, whatever the platform asks for: the limit may be over
# sooner, and users of a harmful version would wait for nothing.
TAKE_BACK = 60.0


class RateLimit:
    """Until when the token is to be quiet; one for all clients of a token."""

    def __init__(self) -> None:
        self._until = 0.0
        self._until_take_back = 0.0

    def holds(self, seconds: float) -> None:
        """The platform wants no call for *seconds* from now."""
        now = time.monotonic()
        self._until = max(self._until, now + seconds)
        self._until_take_back = max(self._until_take_back, now + min(seconds, TAKE_BACK))

    def left(self) -> float:
        """The seconds for which this caller is to send nothing; 0 or less when they are over."""
        until = self._until_take_back if is_taking_back() else self._until
        return until - time.monotonic()
