"""Keep the run's artifacts fresh while the run itself is suspended."""

import asyncio

from phasegate.actions.outside import Outside
from phasegate.domain.ledger import ReleaseState


async def show(outside: Outside, state: ReleaseState) -> None:
    """Publish progress and the newest verdict of *state* as artifacts of its run. Raises RunsAway."""
    progress = outside.pictures.progress(state, outside.clock.now())
    await outside.runs.publish(state.run, key=f"{state.release}-progress", markdown=progress)
    if state.verdict is None or state.phase not in state.soaks:
        return
    minutes = await outside.journal.ledger.minutes(state.release, state.service)
    # Drawing takes a second of CPU, and no release may be unwatched meanwhile.
    verdict = await asyncio.to_thread(outside.pictures.verdict, state, minutes)
    key = f"{state.release}-verdict-{state.phase}"
    await outside.runs.publish(state.run, key=key, markdown=verdict)
