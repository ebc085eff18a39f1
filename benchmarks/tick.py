"""
What one look of the keeper costs after a soak of 24 hours, without the calls to the platform.

1,440 intervals of two versions with ten endpoints each, and as many health checks, are in a SQLite
ledger. A keeper that was just started folds all of it once; from then on a look reads what is new.
"""

import asyncio
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from benchmarks.figures import Figure
from phasegate.actions.collecting import stored_until
from phasegate.actions.judging import Judging
from phasegate.actions.outside import Outside
from phasegate.domain.events import Acted, PhaseBegan, Soaking, Uploaded
from phasegate.domain.observation import Counts, Minute, Probe
from phasegate.domain.plan import Environment
from phasegate.domain.versions import Split
from phasegate.settings import Settings
from phasegate.wiring import outside
from tests.ledger_cases import CANARY, SERVICE, STABLE, live, opened

RELEASE = "bench"
HOURS = 24
LOOKS = 20
MINUTE = timedelta(minutes=1)


def figures() -> tuple[Figure, ...]:
    """CPU of the first and of a later look, in milliseconds."""
    with tempfile.TemporaryDirectory(prefix="phasegate-bench-") as folder:
        return asyncio.run(_figures(Path(folder)))


async def _figures(home: Path) -> tuple[Figure, ...]:
    settings = Settings(
        ledger=str(home / "ledger.db"), project=home, account_id="bench", token=SecretStr("unused")
    )
    async with outside(settings, role="bench") as hands:
        await _soaked(hands)
        judging = Judging()
        first = await _look(hands, judging)
        later = statistics.median([await _look(hands, judging) for _ in range(LOOKS)])
        events = len(await hands.journal.ledger.events(RELEASE))
    part = f"keeper, after {HOURS} hours of one-minute intervals"
    return (
        Figure(part, "first look of a fresh keeper, CPU", first, "ms"),
        Figure(part, "a later look, CPU, median", later, "ms"),
        Figure(part, "later looks of a day at a tick of 5 s, CPU", later * 17_280 / 1000, "s"),
        Figure(part, "events before the soak's end", events, "events"),
    )


async def _look(hands: Outside, judging: Judging) -> float:
    """What `collect` reads before it asks the platform, then the verdict."""
    began = time.process_time()
    state = await hands.journal.state(RELEASE)
    await stored_until(hands, state, worker=state.service)
    await judging.verdict(hands, state)
    return (time.process_time() - began) * 1000


async def _soaked(hands: Outside) -> None:
    ledger, now = hands.journal.ledger, datetime.now(UTC)
    begin = now - timedelta(hours=HOURS)
    await ledger.open(RELEASE, opened(), by="bench", at=begin)
    whole = Acted(intent="i", worker=SERVICE, live=live(Split.whole(CANARY.id)))
    soak = Soaking(phase="full", since=begin, until=now + MINUTE)
    uploaded = Uploaded(environment=Environment.PRODUCTION, version=CANARY)
    for event in (uploaded, PhaseBegan(phase="full"), whole, soak):
        await ledger.append(RELEASE, event, by="bench", at=begin, expected=None)
    starts = [begin + MINUTE * number for number in range(HOURS * 60)]
    await ledger.add_minutes(RELEASE, SERVICE, [_minute(start) for start in starts])
    door = f"{hands.target.front_door(SERVICE)}/health"
    for start in starts:
        await ledger.add_probe(RELEASE, Probe(at=start, ok=True, url=door, status=200, served_by="v2"))


def _minute(start: datetime) -> Minute:
    slow = ((500, 2), (1000, 1), (2000, 0), (5000, 0))
    counts = tuple(
        Counts(version=version.id, endpoint=f"GET /{number}", total=100, errors=0, slow=slow)
        for version in (STABLE, CANARY)
        for number in range(10)
    )
    return Minute(start=start, length=MINUTE, counts=counts, query="a query")
