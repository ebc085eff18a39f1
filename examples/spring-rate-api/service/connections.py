"""The way to the database, taken once by each request that needs it."""

from typing import Any

from database import Database


async def connect(env: Any) -> Database:
    """Open the database of this environment."""
    return Database(env.DB)
