"""The edge as a program of its own: one line when ready, and nothing left when it ends."""

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from edge_caller import DEMO, bundle, serving, until

from phasegate.edge.config import ConfigError, EdgeConfig
from phasegate.edge.server import Edge, EdgeError

PROGRAM = (sys.executable, "-m", "phasegate.edge")


@asynccontextmanager
async def a_program(*arguments, **environment):
    """A running edge and what its first line says; it is ended whatever happens."""
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | environment,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        yield process, json.loads(line)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def deploy(said):
    """Create a Worker on a running edge."""
    headers = {"authorization": f"Bearer {said['token']}"}
    async with httpx.AsyncClient(base_url=said["api_url"], headers=headers, timeout=20) as http:
        answer = await http.put(f"/accounts/{said['account_id']}{DEMO}", files=bundle())
    assert answer.status_code == 200, answer.text


def children(pid):
    """The ids of the processes that *pid* started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found


async def gone(*pids):
    """Wait until none of *pids* runs."""

    async def dead() -> bool:
        return not any(_runs(pid) for pid in pids)

    await until(dead)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_the_program_says_how_to_reach_it_and_ends_on_request():
    """
    Its versions end with it.
    """
    async with a_program("--account-id", "b" * 32, PHASEGATE_EDGE_TOKEN="t" * 20) as (process, said):
        await deploy(said)
        versions = children(process.pid)

        process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(process.wait(), 15)

        assert code == 0
        assert len(versions) == 1
        await gone(*versions)
    assert said["account_id"] == "b" * 32
    assert said["token"] == "t" * 20
    assert said["pid"] == process.pid
    assert str(said["front_port"]) in said["front_url"]


async def test_the_program_ends_when_its_input_closes():
    """
    A test that dies leaves no edge behind.
    """
    async with a_program("--die-with-parent") as (process, said):
        assert process.stdin is not None
        process.stdin.close()

        code = await asyncio.wait_for(process.wait(), 15)

    assert code == 0
    assert said["api_url"].startswith("http://127.0.0.1:")


async def test_no_version_outlives_a_killed_program():
    """
    Not even when it cannot clean up.
    """
    with TemporaryDirectory() as left:
        async with a_program(TMPDIR=left) as (process, said):
            await deploy(said)
            versions = children(process.pid)

            process.kill()

            assert versions
            await gone(*versions)


async def test_the_program_refuses_a_taken_port_in_one_line():
    """
    A bad start is one clear error.
    """
    async with serving() as api:
        process = await asyncio.create_subprocess_exec(
            *PROGRAM, "--api-port", str(api.edge.api_port), stderr=asyncio.subprocess.PIPE
        )
        _, said = await asyncio.wait_for(process.communicate(), 20)

    assert process.returncode == 2
    assert said.decode().startswith("edge: the API cannot listen on 127.0.0.1:")
    assert said.decode().count("\n") == 1


async def test_the_command_refuses_it_in_one_line_as_well():
    """
    ``phasegate edge`` is what people type.
    """
    async with serving() as api:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "phasegate.cli", "edge", "--api-port", str(api.edge.api_port)),
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await asyncio.wait_for(process.communicate(), 20)

    assert process.returncode == 2
    assert said.decode().startswith("phasegate: the API cannot listen on 127.0.0.1:")
    assert said.decode().count("\n") == 1


async def test_nothing_is_left_after_closing():
    """
    No process, no port, no file.
    """
    before = set(children(os.getpid()))
    async with serving() as api:
        await api.create()
        work = api.edge.workdir
        started = set(children(os.getpid())) - before
        url = api.edge.api_url

    assert len(started) == 1
    await gone(*started)
    assert work is not None
    assert not work.exists()
    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(url)


async def test_a_failed_start_leaves_nothing():
    """
    What was already started is stopped again.
    """
    async with serving() as api:
        edge = Edge(EdgeConfig(api_port=api.edge.api_port))
        with pytest.raises(EdgeError):
            await edge.__aenter__()

        assert edge.workdir is not None
        assert not edge.workdir.exists()


@pytest.mark.parametrize(
    "wrong",
    [{"account_id": "x"}, {"sampling": 0.5}, {"tokens": {}}, {"api_port": -1}, {"subdomain": "a.b"}],
)
def test_a_wrong_configuration_names_the_field(wrong):
    """
    The error says what is allowed.
    """
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        EdgeConfig(**wrong)
