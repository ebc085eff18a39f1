"""How running versions end: on request, by force, and with the edge."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from splitter_case import a_version, until

from phasegate.edge.runtime import Runtime


@pytest.fixture
async def runtime(workdir: Path) -> AsyncIterator[Runtime]:
    runtime = Runtime(d1_socket=workdir / "d1.sock", workdir=workdir, max_live=3)
    yield runtime
    await runtime.close()


STUBBORN = """
import signal

async def app(scope, receive, send):
    await receive()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    await send({"type": "lifespan.startup.complete"})
    await receive()
"""


async def test_a_version_that_ignores_the_end_is_ended(runtime: Runtime):
    """
    Every wait has a limit.
    """
    version = a_version(STUBBORN)
    await runtime.start(version)
    pid = runtime.pid(version.id)

    await asyncio.wait_for(runtime.stop(version.id), 8)

    assert proc(pid, "stat") == ""


EDGE = """
import asyncio, pathlib, sys
sys.path.insert(0, {tests!r})
from phasegate.edge.runtime import Runtime
from splitter_case import a_version

async def main():
    runtime = Runtime(d1_socket=pathlib.Path("/nowhere"), workdir=pathlib.Path({workdir!r}))
    versions = [a_version(number=number) for number in range(2)]
    for version in versions:
        await runtime.start(version)
    print(*(runtime.pid(version.id) for version in versions), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_versions_do_not_outlive_a_killed_edge(workdir: Path):
    """
    kill -9 leaves no time to clean up, and orphans would hold ports, files and the database.
    """
    source = EDGE.format(tests=str(Path(__file__).parent), workdir=str(workdir))
    edge = await asyncio.create_subprocess_exec(
        sys.executable, "-c", source, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    try:
        assert edge.stdout is not None
        line = await asyncio.wait_for(edge.stdout.readline(), 20)
        children = [int(pid) for pid in line.split()]
        running = [alive(pid) for pid in children]
    finally:
        edge.send_signal(signal.SIGKILL)
        await edge.wait()

    await until(lambda: not any(alive(pid) for pid in children), limit=5)
    assert running == [True, True]


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    stat = proc(pid, "stat")
    return stat != "" and stat.rpartition(")")[2].split()[0] != "Z"


def proc(pid: int | None, name: str) -> str:
    """A file of a process; empty once the process is gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
