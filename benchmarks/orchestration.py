"""
What orchestration costs: real releases with the shortest plan that is legal.

Server, worker, keeper, edge and the sample service are started as the demo starts them, with a
counting proxy in front of the Prefect server. The first release finds everything cold.
"""

import asyncio
import json
import os
import re
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from subprocess import Popen

from benchmarks.figures import Figure
from examples.demo.processes import Processes, free_port
from examples.demo.stage import GOOD, ROOT, SERVICE, Stage, environment, set_up
from phasegate.actions.outside import Outside
from phasegate.domain.events import Outcome, Recorded
from phasegate.domain.ledger import ReleaseState
from phasegate.settings import Settings
from phasegate.wiring import build_runs, outside

PLAN = "bench"
PLANS = [str(ROOT / "benchmarks" / "plans"), str(ROOT / "deployments" / "plans")]
RATE = 100.0
LIMIT = 120.0
ENOUGH = 110.0
TOP = 10
_IDENT = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27,}|(?<=/)" + SERVICE + r"[^/]*")


class Counted(Processes):
    """Processes whose Prefect server stands behind the counting proxy, which takes its port."""

    def start(self, name: str, *arguments: str, env: dict[str, str] | None = None) -> Popen[bytes]:
        """Start a program; before the server, the proxy."""
        if name != "prefect-server":
            return super().start(name, *arguments, env=env)
        behind = str(free_port())
        super().start("proxy", "-m", "benchmarks.proxy", arguments[-1], behind, str(self.calls))
        own = {**(env or {}), "PREFECT_API_URL": f"http://127.0.0.1:{behind}/api"}
        return super().start(name, *arguments[:-1], behind, env=own)

    @property
    def calls(self) -> Path:
        """Where the proxy writes one line for each request."""
        return self.logs / "calls.jsonl"


@dataclass(frozen=True)
class Call:
    """One request to the Prefect API: when (seconds since the epoch), what, by which process."""

    at: float
    route: str
    client: str


@dataclass(frozen=True)
class Run:
    """One measured release; times in seconds since the epoch."""

    asked: float
    created: float
    state: ReleaseState
    events: tuple[Recorded, ...]

    @property
    def ended(self) -> float:
        """When the ``ended`` event was written."""
        return next(row.at.timestamp() for row in self.events if row.event.kind == "ended")

    @property
    def soaked(self) -> float:
        """Seconds of pure soak; nothing can make them shorter."""
        return sum(((soak.until - soak.since) for soak in _watched(self.state)), timedelta(0)).total_seconds()


def _watched(state: ReleaseState) -> list:  # type: ignore[type-arg]
    return [soak for name, soak in state.soaks.items() if state.plan.phase(name).soak]


def figures() -> tuple[Figure, ...]:
    """One release, and another when the machine is fast enough; what they took and asked of Prefect."""
    before, began = dict(os.environ), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="phasegate-bench-") as folder:
        home = Path(folder)
        (home / "logs").mkdir()
        own = {**environment(home), "PHASEGATE_PLANS": json.dumps(PLANS)}
        processes = Counted(home / "logs", own)
        try:
            stage = set_up(processes, home, versions=(), rate=RATE, say=lambda text: None)
            runs = asyncio.run(_releases(stage, began=began))
            calls = read_calls(processes.calls)
        finally:
            processes.end_all()
            os.environ.clear()
            os.environ.update(before)
    return (*_times(runs), *_requests(runs, calls))


async def _releases(stage: Stage, *, began: float) -> tuple[Run, ...]:
    async with outside(Settings(), role="bench") as hands:
        runs = [await _release(hands, stage, GOOD[1])]
        if time.monotonic() - began < ENOUGH:
            runs.append(await _release(hands, stage, GOOD[0]))
        return tuple(runs)


async def _release(hands: Outside, stage: Stage, version: str) -> Run:
    runs = build_runs(Settings())
    asked = time.time()
    try:
        run = await runs.start(
            {
                "service": SERVICE,
                "plan": PLAN,
                "bundle": str(stage.bundles[version]),
                "reason": "to measure it",
                "requested_by": "benchmark",
            },
            idempotency_key=uuid.uuid4().hex,
        )
        created, name = time.time(), f"{SERVICE}-{run[:8]}"
        try:
            events = await _ended(hands, name)
        except TimeoutError as late:
            raise TimeoutError(f"{late}; its run says {await runs.message(run)}") from late
    finally:
        await runs.aclose()
    return Run(asked, created, await hands.journal.state(name), events)


async def _ended(hands: Outside, release: str) -> tuple[Recorded, ...]:
    deadline = time.monotonic() + LIMIT
    events: tuple[Recorded, ...] = ()
    while time.monotonic() < deadline:
        events = await hands.journal.ledger.events(release)
        if events and events[-1].event.kind == "ended":
            break
        if any(row.event.kind == "ended" for row in events):
            break
        await asyncio.sleep(0.25)
    else:
        last = events[-1].event.kind if events else "nothing"
        raise TimeoutError(f"{release} did not end within {LIMIT:.0f} s; its last event is {last}")
    state = await hands.journal.state(release)
    if state.ended is None or state.ended.outcome is not Outcome.PROMOTED:
        raise RuntimeError(f"{release} was not promoted: {state.ended.summary if state.ended else ''}")
    return events


def read_calls(file: Path) -> tuple[Call, ...]:
    """What the proxy counted, with ids taken out of the addresses."""
    rows = (json.loads(line) for line in file.read_text().splitlines())
    return tuple(
        Call(row["at"], f"{row['method']} {_IDENT.sub('…', row['path'])}", row["client"]) for row in rows
    )


def _times(runs: tuple[Run, ...]) -> list[Figure]:
    part, rows = "orchestration", []
    for run, which in zip(runs, ("first release (cold)", "second release"), strict=False):
        took = run.ended - run.asked
        first = run.events[0].at.timestamp() - run.created
        rows += [
            Figure(part, f"{which}: start call to ended", took, "s"),
            Figure(part, f"{which}: of these, pure soak", run.soaked, "s"),
            Figure(part, f"{which}: the rest", took - run.soaked, "s"),
            Figure(part, f"{which}: create_flow_run to the first event", first, "s"),
            Figure(part, f"{which}: events in the ledger", len(run.events), "events"),
        ]
    return rows


def _requests(runs: tuple[Run, ...], calls: tuple[Call, ...]) -> list[Figure]:
    run = runs[-1]
    during = [call for call in calls if run.asked <= call.at <= run.ended]
    part = "Prefect API, last release, start call to ended"
    rows = [Figure(part, "all requests", len(during), "requests")]
    clients = Counter(call.client for call in during)
    rows += [Figure(part, f"by {name}", count, "requests") for name, count in clients.most_common()]
    routes = Counter(call.route for call in during)
    rows += [Figure(part, name, count, "requests") for name, count in routes.most_common(TOP)]
    return rows
