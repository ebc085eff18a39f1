"""Python versions are forked: each answer is the right one's, and none outlives the process that forks."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from splitter_case import a_version, until

from phasegate.edge.forks import Forks
from phasegate.edge.runtime import Runtime
from phasegate.edge.runtime_modules import StartupFailed


@pytest.fixture
async def runtime(workdir: Path) -> AsyncIterator[Runtime]:
    runtime = Runtime(d1_socket=workdir / "d1.sock", workdir=workdir, max_live=8)
    yield runtime
    await runtime.close()


@pytest.fixture
async def forks() -> AsyncIterator[Forks]:
    forks = Forks()
    yield forks
    await forks.close()


def parent_of(pid: int) -> int:
    """The process that started this one."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_versions_that_start_at_once_are_different_processes(runtime: Runtime):
    """
    All of one process that forks, which is no child of a version's.
    """
    versions = [a_version(number=number) for number in range(6)]

    await asyncio.gather(*(runtime.start(version) for version in versions))
    pids = [runtime.pid(version.id) or 0 for version in versions]

    assert len(set(pids)) == 6
    assert len({parent_of(pid) for pid in pids} - set(pids)) == 1


async def test_a_version_that_is_killed_is_counted_and_comes_back(runtime: Runtime):
    """
    The process that forks tells how it ended, and that one is not blamed for the next.
    """
    version = a_version()
    await runtime.start(version)
    first = runtime.pid(version.id) or 0

    os.kill(first, signal.SIGKILL)
    await until(lambda: runtime.exits(version.id) == 1, limit=5)
    await runtime.reach(version.id)

    assert runtime.pid(version.id) not in {None, first}


async def test_when_the_process_that_forks_dies_its_versions_die_and_another_takes_over(runtime: Runtime):
    """
    As after any other death of a version, the next request starts it.
    """
    versions = [a_version(number=number) for number in range(2)]
    for version in versions:
        await runtime.start(version)
    pids = [runtime.pid(version.id) or 0 for version in versions]
    before = parent_of(pids[0])

    os.kill(before, signal.SIGKILL)
    await until(lambda: not any(alive(pid) for pid in pids) and not runtime.running, limit=5)
    for version in versions:
        await runtime.reach(version.id)

    assert set(runtime.running) == {version.id for version in versions}
    assert parent_of(runtime.pid(versions[0].id) or 0) != before


async def test_an_answer_nobody_waits_for_is_not_the_next_ones(forks: Forks, workdir: Path):
    """
    Whoever asked may be gone before its process is there; that one is ended.
    """
    first = await forks.fork(workdir)
    given_up = asyncio.create_task(forks.fork(workdir))
    await asyncio.sleep(0)
    given_up.cancel()
    kept = await forks.fork(workdir)
    server = parent_of(kept.pid)

    await until(lambda: children_of(server) == {first.pid, kept.pid}, limit=5)

    assert (first.returncode, kept.returncode) == (None, None)


async def test_a_process_that_hangs_is_not_waited_for(workdir: Path):
    """
    The start-up limit holds from the first moment; the versions that it has forked go on.
    """
    runtime = Runtime(d1_socket=workdir / "d1.sock", workdir=workdir, startup_limit=timedelta(seconds=2))
    first, second = a_version(number=1), a_version(number=2)
    await runtime.start(first)
    server = parent_of(runtime.pid(first.id) or 0)
    os.kill(server, signal.SIGSTOP)
    try:
        with pytest.raises(StartupFailed, match="not ready within 2 s"):
            await runtime.start(second)
        running = runtime.running
    finally:
        os.kill(server, signal.SIGCONT)
        await runtime.close()

    assert running == (first.id,)


async def test_a_process_that_hangs_is_replaced(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    """
    One start fails; the next one has another process, and what the first has forked goes on and ends with us.
    """
    before, failed, after = (a_version(number=number) for number in range(3))
    await runtime.start(before)
    pid = runtime.pid(before.id) or 0
    server = parent_of(pid)
    monkeypatch.setattr("phasegate.edge.forks.ANSWERS_WITHIN", 0.2)
    os.kill(server, signal.SIGSTOP)
    try:
        with pytest.raises(StartupFailed, match="has not answered for"):
            await runtime.start(failed)
        monkeypatch.undo()
        await runtime.start(after)
        running = {version.id: parent_of(runtime.pid(version.id) or 0) for version in (before, after)}
    finally:
        await runtime.close()

    assert running[before.id] == server != running[after.id]
    assert not alive(pid)
    assert not alive(server)


async def test_where_it_cannot_be_started_it_is_said(
    workdir: Path, forks: Forks, monkeypatch: pytest.MonkeyPatch
):
    """
    One sentence with the code it ended with, in time.
    """
    monkeypatch.setattr("phasegate.edge.forks.PACKAGE_ROOT", str(workdir))
    (workdir / "phasegate").mkdir()
    (workdir / "phasegate" / "__init__.py").write_text("raise SystemExit(7)\n")
    began = time.monotonic()

    with pytest.raises(StartupFailed, match="has ended with code 7"):
        await forks.fork(workdir)

    assert time.monotonic() - began < 10


def children_of(pid: int) -> set[int]:
    """The processes that this one has started and that run."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in listed if alive(int(child))}
