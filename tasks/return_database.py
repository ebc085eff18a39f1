"""Take the database of a release back, as a person ordered."""

import asyncio

from phasegate.actions import database_return
from phasegate.domain.database import ReturnOrder
from phasegate.report.events_text import describe
from phasegate.settings import Settings
from phasegate.wiring import plan_migration_files, shared
from tasks.step import step


@step(name="return-database")
async def return_database(release: str, order: ReturnOrder) -> str:
    """Take it back; returns what was done, in words. Raises Refused and Unconfirmed."""
    outside = await shared()
    plan = (await outside.journal.state(release)).plan
    files = await asyncio.to_thread(plan_migration_files, Settings(), plan)
    state = await database_return.return_database(outside, release, order, files=files)
    returned = state.databases[order.environment].returned
    return describe(returned) if returned else ""
