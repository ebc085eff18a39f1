"""The machine's own clock."""

import asyncio
from datetime import UTC, datetime, timedelta


class SystemClock:
    """Implements ``Clock`` with the time of this machine, in UTC."""

    def now(self) -> datetime:
        """The time in UTC."""
        return datetime.now(UTC)

    async def sleep(self, duration: timedelta) -> None:
        """Wait; a negative duration is no wait."""
        await asyncio.sleep(max(duration.total_seconds(), 0))
