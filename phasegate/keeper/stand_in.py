"""One look at every active release in a keeper's place, for whoever is started now and then."""

import logging
from datetime import timedelta

from phasegate.actions.guarding import page_when_unguarded, silence
from phasegate.actions.outside import Outside
from phasegate.keeper.loop import Keeper

log = logging.getLogger("phasegate.keeper")
SILENT = timedelta(seconds=30)


async def stand_in(outside: Outside, name: str) -> int:
    """
    Look once at each active release when no keeper lives, and page that none does.

    It is no sign of life: a single look a minute guards nothing. Returns how many
    releases were looked at; 0 when a keeper lives or nothing is active.
    """
    active = await outside.journal.ledger.releases(active=True)
    age = await silence(outside)
    if not active or (age is not None and age < SILENT):
        return 0
    for row in active:
        await _page(outside, row.release)
    await Keeper(outside, name).tick()
    return len(active)


async def _page(outside: Outside, release: str) -> None:
    """A release that cannot be paged about must not keep the others from being looked at."""
    try:
        await page_when_unguarded(outside, release)
    except Exception:
        log.exception("%s: that no keeper lives could not be told", release)
