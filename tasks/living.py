"""Show that the process of a run lives, for as long as it works on a release."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from phasegate.actions.living import living as give_signs
from phasegate.settings import Settings
from phasegate.wiring import shared


@asynccontextmanager
async def living(run: str) -> AsyncIterator[None]:
    """Give signs of life for the length of the block, in place waits included; a suspended run gives none."""
    async with give_signs(await shared(), run, limit=Settings().run_silent):
        yield
