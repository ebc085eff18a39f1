"""One look at every active release, in a keeper's place."""

from datetime import timedelta

from prefect import get_run_logger

from phasegate.actions.guarding import page_when_unguarded
from phasegate.keeper.loop import Keeper
from phasegate.wiring import driver_name, shared
from tasks.step import step

SILENT = timedelta(seconds=30)


@step()
async def watch_once() -> int:
    """Returns how many releases were looked at; 0 when a keeper lives or nothing is active."""
    outside = await shared("watch")
    active = await outside.journal.ledger.releases(active=True)
    beat = await outside.journal.ledger.last_beat()
    if not active or (beat is not None and outside.clock.now() - beat < SILENT):
        return 0
    for row in active:
        await page_when_unguarded(outside, row.release)
    get_run_logger().warning("no keeper lives; looking at %s releases in its place", len(active))
    await Keeper(outside, driver_name("watch")).tick()
    return len(active)
