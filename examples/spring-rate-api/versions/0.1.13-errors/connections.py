"""The way to the database: production reads go round its replicas."""

from itertools import cycle
from typing import Any

from database import Database

REGIONS = {
    "production": ("weur", "eeur", "wnam", "enam", "apac", "oc", "sam", "afr", "me", "seas"),
    "staging": ("weur",),
}
# The defect: one region of production was forgotten here, and a request sent there has no database.
BINDING_OF = dict.fromkeys(("weur", "eeur", "wnam", "enam", "apac", "oc", "sam", "afr", "me"), "DB")
_TURNS = {name: cycle(regions) for name, regions in REGIONS.items()}


async def connect(env: Any) -> Database:
    """Open the database by the next region of this environment."""
    region = next(_TURNS[env.ENVIRONMENT])
    return Database(getattr(env, BINDING_OF[region]))
