"""Everything that runs in production, on loopback, and hands to act on it."""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx

from examples.demo.stage import GOOD, SAMPLE, Stage, front_door
from phasegate.actions.outside import Outside
from phasegate.adapters.load import run_load
from phasegate.adapters.load_plan import plan_from_file
from phasegate.domain.events import Recorded
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.versions import Version
from phasegate.settings import Settings
from phasegate.wiring import outside

ROOT = Path(__file__).resolve().parent.parent.parent
MIX = SAMPLE / "traffic.json"
PLANS = Path(__file__).parent / "plans"
WAIT_IN_PLACE = "7s"
# Names the ledger on PostgreSQL that several hosts share; not there without PostgreSQL.
HOSTS_LEDGER = "HOSTS_LEDGER"
LIMIT = 600.0
T = TypeVar("T")
STARTED = re.compile(r"release (?P<name>\S+) started: \S+/(?P<run>[0-9a-f-]{36})")


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Started:
    """A release and the run that drives it first."""

    name: str
    run: str


@dataclass(frozen=True)
class House:
    """
    The world of the tests.

    *service* is the one that this process of tests releases; others may release theirs at the same time.
    *env* is the environment of every program in it, *stage* says where things are, *client* reaches Prefect.
    """

    stage: Stage
    service: str
    env: dict[str, str]
    settings: Settings
    client: httpx.Client

    async def phasegate(self, *arguments: str, limit: float = LIMIT, **env: str) -> Done:
        """Run the program ``phasegate`` to its end; *env* is laid over the house's environment."""
        program = [sys.executable, "-m", "phasegate.cli", *arguments]
        process = await asyncio.create_subprocess_exec(
            *program,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), limit)
        except BaseException:
            process.kill()
            await process.wait()
            raise
        return Done(code=process.returncode or 0, out=out.decode(), err=err.decode())

    def asked(self, version: str, plan: str, *, bundle: str = "") -> tuple[str, ...]:
        """The arguments that release a bundle of *version* under *plan*."""
        path = bundle or str(self.stage.bundles[version])
        who = ("--requested-by", "Linus", "--reason", f"release {version} in a test")
        return ("release", "--service", self.service, "--plan", plan, "--bundle", path, *who)

    async def start(self, version: str, plan: str) -> Started:
        """Start a release through the program and return at once."""
        done = await self.phasegate(*self.asked(version, plan))
        assert done.code == 0, done.err
        return started(done.out)

    @asynccontextmanager
    async def hands(self) -> AsyncIterator[Outside]:
        """Adapters like everybody's, for reading."""
        async with outside(self.settings, role="test") as hands:
            yield hands

    async def rows(self, release: str) -> tuple[Recorded, ...]:
        """Every event of the release."""
        async with self.hands() as hands:
            return await hands.journal.ledger.events(release)

    async def until(
        self, release: str, reached: Callable[[ReleaseState], bool], *, limit: float = LIMIT
    ) -> ReleaseState:
        """Wait until the release has come to a state; fails with its last events when it does not."""
        async with self.hands() as hands:
            deadline = time.monotonic() + limit
            while time.monotonic() < deadline:
                if await hands.journal.exists(release):
                    state = await hands.journal.state(release)
                    if reached(state):
                        return state
                await asyncio.sleep(0.2)
            rows = await hands.journal.ledger.events(release)
        raise AssertionError(f"{release} did not come so far: {[row.event.kind for row in rows][-12:]}")

    async def ended(self, release: str, *, limit: float = LIMIT) -> ReleaseState:
        """Wait for the end of a release."""
        return await self.until(release, lambda state: state.ended is not None, limit=limit)

    async def weights(self) -> dict[str, float]:
        """Id of each version that takes traffic -> weight, read from the edge."""
        async with self.hands() as hands:
            live = await hands.target.live(self.service)
        assert live is not None
        return {share.version: share.weight for share in live.split.shares if share.weight}

    async def serving(self) -> Version:
        """The one version at 100 %; fails while the traffic is split."""
        weights = await self.weights()
        assert list(weights.values()) == [100], weights
        async with self.hands() as hands:
            return next(known for known in await hands.target.versions(self.service) if known.id in weights)

    async def next_good(self) -> str:
        """The good version that does not serve now, to be released next."""
        now = (await self.serving()).tag
        return GOOD[0] if now == GOOD[1] else GOOD[1]

    async def opened(self) -> str:
        """Wait for a release of the service to become active; its name."""

        async def active() -> str | None:
            async with self.hands() as hands:
                rows = await hands.journal.ledger.releases(service=self.service, active=True)
            return rows[0].release if rows else None

        return await condition(active, limit=LIMIT)

    async def prefect(self, method: str, path: str, body: Any = None) -> Any:
        """One call of Prefect's API; its JSON. A busy SQLite server says 503 and is asked again."""

        async def answered() -> httpx.Response | None:
            answer = await asyncio.to_thread(self.client.request, method, path, json=body)
            return None if answer.status_code == 503 else answer

        answer = await condition(answered, limit=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def states(self, run: str) -> list[str]:
        """The names of every state that a run went through, in order."""
        history = await self.prefect("GET", f"/flow_run_states/?flow_run_id={run}")
        return [state["name"] for state in sorted(history, key=lambda state: state["timestamp"])]

    async def state_reached(self, run: str, name: str) -> None:
        """Wait until the run is in the state called *name*."""

        async def there() -> bool | None:
            return (await self.prefect("GET", f"/flow_runs/{run}"))["state_name"] == name or None

        await condition(there, limit=LIMIT)

    async def run_over(self, run: str, *, limit: float = LIMIT) -> dict[str, Any]:
        """Wait until Prefect calls the run over; its record."""

        async def over() -> dict[str, Any] | None:
            record: dict[str, Any] = await self.prefect("GET", f"/flow_runs/{run}")
            return record if record["state_type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"} else None

        return await condition(over, limit=limit)

    @asynccontextmanager
    async def busy(self, *, rate: float) -> AsyncIterator[None]:
        """So many requests a second more for the service, for two minutes at most."""
        plan = plan_from_file(
            MIX, rate=rate, duration=timedelta(minutes=2), threshold=timedelta(seconds=1), headers={}
        )
        asking = asyncio.create_task(run_load(front_door(self.stage.edge, self.service), plan))
        try:
            yield
        finally:
            asking.cancel()
            await asyncio.wait({asking})

    async def edge(self, method: str, what: str, body: Any = None) -> Any:
        """One call of the edge's own controls, ``faults`` or ``calls``; the result."""
        base = str(self.stage.edge["api_url"]).removesuffix("/client/v4")
        token = {"Authorization": f"Bearer {self.stage.edge['token']}"}
        async with httpx.AsyncClient(timeout=10) as client:
            answer = await client.request(method, f"{base}/edge/{what}", json=body, headers=token)
        answer.raise_for_status()
        return answer.json()["result"]

    async def writes(self) -> dict[str, int]:
        """How often production was really uploaded to and its split written, since the calls were cleared."""
        calls = await self.edge("GET", "calls")
        done = [call for call in calls if call["method"] in {"POST", "PUT"} and call["acted"] == 200]
        paths = [call["path"] for call in done if f"/scripts/{self.service}/" in call["path"]]
        return {
            "uploads": sum(path.endswith("/versions") for path in paths),
            "splits": sum(path.endswith("/deployments") for path in paths),
        }


def started(text: str) -> Started:
    """The release that ``phasegate release`` says it has started."""
    found = STARTED.search(text)
    assert found is not None, text
    return Started(name=found["name"], run=found["run"])


async def condition(look: Callable[[], Awaitable[T | None]], *, limit: float, every: float = 0.5) -> T:
    """Wait until *look* finds something; fails after *limit* seconds."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if (found := await look()) is not None:
            return found
        await asyncio.sleep(every)
    raise AssertionError(f"nothing was found within {limit:g} s")


def plans_setting() -> str:
    """The directories of plans as the setting wants them."""
    return json.dumps([str(PLANS), str(ROOT / "deployments" / "plans")])
