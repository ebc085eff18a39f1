"""Running versions: what they are given, how they start, how they end."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from runtime_d1 import an_engine
from splitter_case import Answer, Wire, a_version

from phasegate.edge.forks import child_environment
from phasegate.edge.model import Module, VersionRecord
from phasegate.edge.runtime import NotServing, Runtime, StartupFailed

SHOWS_ENV = """
import json, os
import parts.words

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    env = scope["env"]
    rows = await env.DB.prepare("SELECT ? AS n").bind(7).all()
    seen = {
        "text": env.TEXT, "secret": env.SECRET, "json": env.JSON, "shown": repr(env), "rows": rows.results,
        "me": [env.ME.id, env.ME.tag, env.ME.timestamp], "word": parts.words.WORD, "started": STARTED,
        "variables": sorted(os.environ), "stdin": os.readlink("/proc/self/fd/0"),
    }
    body = json.dumps(seen).encode()
    length = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": body})

STARTED = []

async def lifespan(receive, send):
    await receive()
    STARTED.append("yes")
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
"""
BINDINGS: tuple[dict[str, Any], ...] = (
    {"type": "plain_text", "name": "TEXT", "text": "plain"},
    {"type": "secret_text", "name": "SECRET", "text": "hush-hush"},
    {"type": "json", "name": "JSON", "json": {"a": [1]}},
    {"type": "version_metadata", "name": "ME"},
    {"type": "d1", "name": "DB", "database_id": "5d1f"},
)


@pytest.fixture
async def runtime(workdir: Path) -> AsyncIterator[Runtime]:
    runtime = Runtime(d1_socket=workdir / "d1.sock", workdir=workdir, max_live=3)
    yield runtime
    await runtime.close()


async def ask(runtime: Runtime, version: VersionRecord, path: str = "/") -> Answer:
    """One request straight to the version's socket."""
    wire = Wire(*await asyncio.open_unix_connection(runtime.address(version.id)))
    try:
        return await wire.get(path)
    finally:
        wire.writer.close()


async def test_a_version_sees_its_bindings_and_nothing_of_ours(
    runtime: Runtime, workdir: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    The bindings are an upload's, in the shape Cloudflare gives them; our own variables may hold tokens.
    """
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "ours")
    plain = a_version(SHOWS_ENV, bindings=BINDINGS)
    words = Module("parts/words.py", "text/x-python; charset=utf-8", b"WORD = 'spring'")
    version = VersionRecord(plain.id, 1, "rates", (*plain.modules, words), plain.metadata, plain.created_on)

    async with an_engine(workdir / "d1.sock"):
        await runtime.start(version)
        seen = json.loads((await ask(runtime, version)).body)

    assert (seen["text"], seen["secret"], seen["json"]) == ("plain", "hush-hush", {"a": [1]})
    assert seen["me"] == [version.id, "v1", "2026-02-17T03:00:00Z"]
    assert (seen["rows"], seen["word"], seen["started"]) == ([{"n": 7}], "spring", ["yes"])
    assert "hush" not in seen["shown"]
    assert not any("TOKEN" in name for name in seen["variables"])
    assert seen["stdin"] == os.devnull
    pid = runtime.pid(version.id)
    assert "hush" not in proc(pid, "cmdline")


def test_only_listed_variables_are_passed_on():
    """
    A list of what is secret would always lack one.
    """
    given = child_environment({"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "x", "PYTHONPATH": "/ours"})

    assert given["PATH"] == "/bin"
    assert "AWS_SECRET_ACCESS_KEY" not in given
    assert given["PYTHONPATH"] != "/ours"


async def test_starting_twice_is_starting_once(runtime: Runtime):
    """
    Also at the same moment.
    """
    version = a_version()

    await asyncio.gather(*(runtime.start(version) for _ in range(3)))
    pid = runtime.pid(version.id)
    await runtime.start(version)

    assert runtime.pid(version.id) == pid
    assert runtime.running == (version.id,)
    assert runtime.find("rates", version.id[:8]) == version.id


async def test_a_stopped_version_is_gone(runtime: Runtime):
    """
    And can be started again.
    """
    version = a_version()
    await runtime.start(version)
    pid = runtime.pid(version.id)

    await runtime.stop(version.id)
    with pytest.raises(NotServing):
        runtime.address(version.id)
    await runtime.start(version)

    assert proc(pid, "stat") == ""
    assert (await ask(runtime, version)).status == 200
    assert runtime.exits(version.id) == 0


async def test_a_resting_version_wakes_for_a_request(runtime: Runtime):
    """
    A preview of a version that takes no traffic need not hold a process.
    """
    version = a_version()
    await runtime.start(version)

    await runtime.rest(version.id)
    asleep = runtime.running
    await runtime.reach(version.id)

    assert asleep == ()
    assert runtime.running == (version.id,)


async def test_the_longest_idle_version_makes_room(runtime: Runtime):
    """
    Processes are bounded, and one that takes traffic is not the one that goes.
    """
    versions = [a_version(number=number) for number in range(4)]
    runtime.keep = lambda version_id: version_id == versions[0].id

    for version in versions:
        await runtime.start(version)

    assert set(runtime.running) == {version.id for version in (versions[0], *versions[2:])}


async def test_when_all_are_in_use_the_next_is_refused(runtime: Runtime):
    """
    Rather than ending one that serves.
    """
    runtime.keep = lambda _: True
    for number in range(3):
        await runtime.start(a_version(number=number))

    with pytest.raises(StartupFailed, match="3 versions may run at once"):
        await runtime.start(a_version(number=9))

    assert len(runtime.running) == 3


def proc(pid: int | None, name: str) -> str:
    """A file of a process; empty once the process is gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
