"""A release with marked secrets: none of them is found afterwards where people, or other programs, look."""

import asyncio
import base64
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from phasegate.actions.rollback import close
from phasegate.actions.staging import validate_staging
from phasegate.adapters.ledger_sql import SqlLedger
from phasegate.domain.bundle import Bundle, Module
from phasegate.domain.criteria import Level
from phasegate.domain.errors import BundleError, PhasegateError
from phasegate.domain.events import Outcome
from phasegate.domain.plan import Environment
from phasegate.edge.auth import ALL_PERMISSIONS
from phasegate.report.evidence import progress_markdown, verdict_markdown
from phasegate.settings import Settings
from phasegate.wiring import outside, read_bundle
from tests.loopback import Loopback, Reply, serve
from tests.release.stage import ROOT, SERVICE, Stage, stage
from tests.release.test_keeper_takes_back import RELEASE, opened
from tests.release.test_staging import RELEASE as STAGED
from tests.release.test_staging import staged

TOKEN, HOOK, AUTH, PASSWORD = (f"marked-{name}-0123456789abcdef" for name in ("token", "hook", "auth", "pw"))
LOOKED_AT = ("ledger.db", "ledger.db-wal", "keeper.log", "deployment.log")


def processes() -> Iterator[str]:
    """The arguments of every process on this machine."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


async def watch_processes(seen: set[str]) -> None:
    while True:
        seen.update(processes())
        await asyncio.sleep(0.1)


def rude(header: str) -> Loopback:
    """A server that refuses and says everything it was told, secrets included."""
    return serve(lambda method, path, body: Reply(404, f"{method} {path} with {header} is not known"))  # type: ignore[return-value]


@asynccontextmanager
async def keeper(settings: Settings, home: Path) -> AsyncIterator[None]:
    """The keeper as a program of its own, whose log is a file."""
    channels = json.dumps(settings.channels)
    env = {
        **os.environ,
        "PHASEGATE_LEDGER": settings.ledger,
        "PHASEGATE_PROJECT": str(settings.project),
        "PHASEGATE_API_URL": settings.api_url,
        "PHASEGATE_ACCOUNT_ID": settings.account_id,
        "PHASEGATE_TOKEN": TOKEN,
        "PHASEGATE_FRONT_DOOR": settings.front_door,
        "PHASEGATE_CHANNELS": channels,
        "PHASEGATE_PREFECT_API_URL": settings.prefect_api_url,
        "PHASEGATE_PREFECT_AUTH": f"ada:{AUTH}",
    }
    command = (sys.executable, "-m", "phasegate.cli", "keeper", "--verbose")
    with (home / "keeper.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=env, stderr=log, stdout=log)
        try:
            yield
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), 30)


async def test_no_secret_is_found_after_a_release(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """
    Token, webhook, Prefect's password and a Worker's secret: used, and nowhere to be read.
    """
    caplog.set_level(logging.DEBUG)
    seen: set[str] = set()
    looking = asyncio.create_task(watch_processes(seen))
    tokens = {TOKEN: ALL_PERMISSIONS}
    basic = base64.b64encode(f"ada:{AUTH}".encode()).decode()
    async with rude(HOOK) as hook, rude(f"Basic {basic} {AUTH}") as prefect:  # noqa: SIM117
        async with stage(tmp_path, "0.1.13-errors", tokens=tokens) as world:
            settings = world.settings.model_copy(
                update={
                    "channels": {"slack": f"{hook.url}/services/{HOOK}"},
                    "prefect_api_url": f"{prefect.url}/api",
                    "prefect_auth": SecretStr(f"ada:{AUTH}"),
                }
            )
            worker_secret = secret_of(world)
            plan = world.plan(channels=dict.fromkeys(Level, ("slack",)))
            said = [repr(settings), str(settings), *await refusals(world)]
            async with outside(settings, role="test") as hands:
                with pytest.raises(PhasegateError) as refused:
                    await hands.runs.status("00000000-0000-0000-0000-000000000000")
                said.append(str(refused.value))
            await staged(world, "0.1.13-errors", plan)
            await validate_staging(world.hands, STAGED, plan.phase("staging"))
            await end(world, STAGED)
            await opened(world, "0.1.13-errors", plan)
            traffic = asyncio.create_task(world.traffic(seconds=60, rate=50))
            async with keeper(settings, tmp_path):
                taken_back = await until_told(world, hook)
            traffic.cancel()
            state = await world.state(RELEASE)
            minutes = await world.hands.journal.ledger.minutes(RELEASE, SERVICE)
            said += [verdict_markdown(state, state.verdict, minutes), progress_markdown(state, state.at)]
            said += [world.hands.pictures.progress(state, state.at), repr(world.hands), repr(state)]
    looking.cancel()

    assert taken_back
    assert any(HOOK in path for _, path in hook.calls)
    assert any(basic in headers.get("authorization", "") for headers, _ in prefect.requests)
    everything = {
        "words": "\n".join(said),
        "log": caplog.text,
        "processes": "\n".join(seen),
        **{name: (tmp_path / name).read_bytes().decode(errors="replace") for name in files(tmp_path)},
    }
    assert "keeper.log" in everything
    assert any("phasegate.cli keeper" in line for line in seen)
    found = [
        (place, mark)
        for place, text in everything.items()
        for mark in (TOKEN, HOOK, AUTH, basic, worker_secret)
        if mark in text
    ]
    assert found == []


def files(home: Path) -> list[str]:
    return [name for name in LOOKED_AT if (home / name).exists()]


def secret_of(world: Stage) -> str:
    """The value of the sample's secret binding."""
    bundle = read_bundle(world.settings, str(world.bundles["0.1.11"]))
    bindings = bundle.metadata[Environment.PRODUCTION]["bindings"]
    (secret,) = [each["text"] for each in bindings if each["type"] == "secret_text"]
    assert len(secret) > 12
    return str(secret)


async def refusals(world: Stage) -> list[str]:
    """What the platform and the database say when they refuse something that holds a secret."""
    secret = secret_of(world)
    metadata = {
        "main_module": "entry.py",
        "compatibility_date": "2026-02-15",
        "compatibility_flags": ["python_workers"],
        "bindings": [{"name": "KEY", "type": "secret_text", "text": secret}],
    }
    source = f"raise RuntimeError({secret!r} + {TOKEN!r})\n".encode()
    module = Module(name="entry.py", content_type="text/x-python", data=source)
    bundle = Bundle(modules=(module,), metadata=dict.fromkeys(Environment, metadata))
    with pytest.raises(BundleError) as refused:
        await world.hands.target.upload(
            SERVICE, bundle, environment=Environment.PRODUCTION, release="quoting"
        )
    ledger = SqlLedger(f"postgresql://ada:{PASSWORD}@127.0.0.1:9/ledger")
    with pytest.raises(PhasegateError) as away:
        await ledger.ready()
    await ledger.close()
    words = [str(refused.value), str(away.value), repr(ledger)]
    assert not any(PASSWORD in text for text in words)
    return words


async def end(world: Stage, release: str) -> None:
    """Make room for the next release."""
    await close(world.hands, release, outcome=Outcome.REFUSED, summary="only validated")


async def until_told(world: Stage, hook: Loopback) -> bool:
    """Whether the release was taken back and the rude channel was tried, within a minute."""
    try:
        async with asyncio.timeout(60):
            while not await _told(world, hook):  # noqa: ASYNC110 - the ledger is asked
                await asyncio.sleep(0.3)
    except TimeoutError:
        return False
    return True


async def _told(world: Stage, hook: Loopback) -> bool:
    restored = (await world.state(RELEASE)).restored_at is not None
    return restored and any(HOOK in path for _, path in hook.calls)
