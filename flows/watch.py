"""The keeper's own backup: one look at every active release when no keeper has been seen lately."""

from prefect import flow

from tasks.watch import watch_once


@flow(name="watch")
async def watch() -> int:
    """Look once at each active release unless a keeper lives; returns how many were looked at."""
    return await watch_once()
