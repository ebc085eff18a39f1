"""
Hundreds of releases in soak on one machine: what keeper, worker and Prefect server need, and the API's calls.

Every release is started as any other, by the worker, and suspends itself in its canary's soak; starting them
is what takes the time. Versions answer without a process; everything else is real.
"""

import asyncio
import itertools
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx

from benchmarks.figures import Figure
from benchmarks.hosts import PROXY, SERVER, Hosts, hosts
from benchmarks.orchestration import read_calls
from examples.demo.processes import free_port
from phasegate.actions.outside import Outside
from phasegate.domain.plan import Environment
from phasegate.wiring import outside, read_bundle
from tests.e2e.small_workers import write

RELEASES = int(os.environ.get("PHASEGATE_BENCH_RELEASES", "200"))
PLAN = "crowd"
STARTING = 6
MEASURED = 180.0
LIMIT = 300.0
PARTS = {"keeper": "keeper", "worker": "worker", SERVER: "Prefect server"}


def figures() -> tuple[Figure, ...]:
    """Start the releases, let them soak for three minutes and say what that costs."""
    # Told to end, it ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with (
        tempfile.TemporaryDirectory(prefix="phasegate-crowd-") as folder,
        hosts(Path(folder), wait_in_place="20s", edge_program="benchmarks.quiet_edge") as house,
    ):
        house.behind = free_port()
        for name in (PROXY, SERVER):
            house.start(name)
        house.wait_for_server()
        house.start("keeper")
        house.deploy("release", "rollback")
        house.start("worker")
        return asyncio.run(_figures(house))


async def _figures(house: Hosts) -> tuple[Figure, ...]:
    settings, began = house.settings(), time.monotonic()
    places = {tag: write(house.home / tag, tag) for tag in ("first", "second")}
    first = read_bundle(settings, str(places["first"]))
    async with outside(settings, role="bench") as hands:
        gate = asyncio.Semaphore(STARTING)

        async def begin(service: str) -> None:
            async with gate:
                await hands.target.create(service, first, environment=Environment.PRODUCTION, release="first")
                run = await asyncio.to_thread(house.release, service, plan=PLAN, bundle=places["second"])
                await _asleep(house, run)

        await asyncio.gather(*(begin(f"crowd-{number}") for number in range(RELEASES)))
        started = time.monotonic() - began
        soaking = await _soaking(hands)
        before, since = {name: _cpu(house, name) for name in PARTS}, time.time()
        await asyncio.sleep(MEASURED)
        until, after = time.time(), {name: _cpu(house, name) for name in PARTS}
        ages = await asyncio.to_thread(lambda: house.words("keeper"))
    if soaking != RELEASES:
        raise RuntimeError(f"{soaking} of {RELEASES} releases soak; the keeper's last words: {ages}")
    used = {name: (after[name] - before[name]) / (until - since) for name in PARTS}
    return (
        Figure(_part(), "to start them all", started / 60, "min"),
        *_processes(house, used),
        *_requests(house, since, until),
    )


def _part() -> str:
    return f"{RELEASES} releases in soak for {MEASURED / 60:g} minutes at a tick of 5 s, with Prefect"


async def _asleep(house: Hosts, run: str) -> None:
    """Wait until the run has suspended itself; raises RuntimeError when it ends otherwise."""
    end = time.monotonic() + LIMIT
    async with httpx.AsyncClient(base_url=house.api, timeout=30) as client:
        while time.monotonic() < end:
            state = (await client.get(f"/flow_runs/{run}")).raise_for_status().json()["state_name"]
            if state == "Suspended":
                return
            if state in {"Failed", "Crashed", "Refused", "RolledBack"}:
                raise RuntimeError(f"run {run} is {state}: {house.words('worker')}")
            await asyncio.sleep(1)
    raise RuntimeError(f"run {run} was not suspended within {LIMIT:g} s: {house.words('worker')}")


async def _soaking(hands: Outside) -> int:
    rows = await hands.journal.ledger.releases(active=True)
    states = [await hands.journal.state(row.release) for row in rows]
    return sum(state.phase == "canary" and "canary" in state.soaks for state in states)


def _cpu(house: Hosts, name: str) -> float:
    """Seconds of processor time that the program has used."""
    fields = Path(f"/proc/{house.living[name].pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(house: Hosts, name: str) -> float:
    pages = int(Path(f"/proc/{house.living[name].pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _processes(house: Hosts, used: dict[str, float]) -> Iterator[Figure]:
    for name, words in PARTS.items():
        yield Figure(_part(), f"{words}: CPU, share of one core", 100 * used[name], "%")
        yield Figure(_part(), f"{words}: memory", _memory(house, name), "MB")


def _requests(house: Hosts, since: float, until: float) -> Iterator[Figure]:
    during = [call for call in read_calls(house.calls) if since <= call.at <= until]
    took = until - since
    yield Figure(_part(), "Prefect API, all", len(during) / took, "requests/s")
    clients = Counter(call.client for call in during)
    routes = Counter(call.route for call in during)
    for name, count in itertools.chain(clients.most_common(), routes.most_common(6)):
        yield Figure(_part(), f"Prefect API, {name}", count / took, "requests/s")
