"""A release on paper: a real ledger and a clock that a test puts forward; nothing else answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from phasegate.actions.journal import Journal
from phasegate.actions.outside import Outside
from phasegate.adapters.cloudflare import CloudflareClient, CloudflareTarget
from phasegate.settings import Settings
from phasegate.wiring import outside, read_plan
from tests.ledger_cases import T0, opened
from tests.release.test_care_for_runs import Later

RELEASE = "spring-rate-api-paper"
NOWHERE = "http://127.0.0.1:9"
DOOR = f"{NOWHERE}/{{worker}}"


@asynccontextmanager
async def paper_release(home: Path, **changes: Any) -> AsyncIterator[tuple[Outside, Later]]:
    """A release by the production plan with *changes*, opened at T0; hands, and the clock they go by."""
    settings = Settings(
        ledger=str(home / "ledger.db"),
        account_id="nobody",
        token=SecretStr("nothing"),
        api_url=NOWHERE,
        front_door=DOOR,
        prefect_api_url=f"{NOWHERE}/api",
        api_timeout=0.2,
    )
    plan = read_plan(settings, "production").model_copy(update=changes)
    async with outside(settings, role="test") as hands:
        clock = Later(T0)
        journal = Journal(hands.journal.ledger, clock, driver="test")
        await journal.open(RELEASE, opened(plan=plan.model_dump(mode="json")))
        # Adapters wait by the real clock; one look at a platform that is away is enough here.
        client = CloudflareClient(NOWHERE, "nobody", settings.token, timeout=0.2, budget=0.1)
        target = CloudflareTarget(client, front_door=DOOR)
        yield replace(hands, clock=clock, journal=journal, target=target), clock
        await client.close()
