"""What cannot run, and how the uploader is told."""

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from splitter_case import a_version

from phasegate.edge.model import Module, VersionRecord
from phasegate.edge.runtime import Runtime, StartupFailed


@pytest.fixture
async def runtime(workdir: Path) -> AsyncIterator[Runtime]:
    runtime = Runtime(d1_socket=workdir / "d1.sock", workdir=workdir, max_live=3)
    yield runtime
    await runtime.close()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise RuntimeError('boom')", "Uncaught RuntimeError: boom"),
        ("def (", "Uncaught SyntaxError"),
        ("import nowhere", "Uncaught ModuleNotFoundError: No module named 'nowhere'"),
        ("import os, sys; print('out of springs', file=sys.stderr); os._exit(3)", "out of springs"),
        ("import os; os._exit(3)", "ended with code 3"),
        ("raise SystemExit(4)", "ended with code 4"),
        ("app = 1", "no ASGI callable named app"),
    ],
)
async def test_a_version_that_cannot_start_says_why(workdir: Path, source: str, message: str):
    """
    Its last words are what the uploader needs.
    """
    runtime = Runtime(d1_socket=workdir / "d1", workdir=workdir)
    version = a_version(source)

    with pytest.raises(StartupFailed) as failed:
        await runtime.start(version)
    await runtime.close()

    assert message in str(failed.value)
    assert runtime.running == ()
    assert os.listdir(workdir) == []  # noqa: PTH208


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"main_module": "other.py"}, "main_module 'other.py' is not among the modules: index.py"),
        (
            {"bindings": [{"type": "kv_namespace", "name": "KV"}]},
            "has the type 'kv_namespace'; this edge has d1",
        ),
        ({"bindings": [{"type": "d1", "name": "DB"}]}, "lacks id or database_id"),
    ],
)
async def test_what_this_edge_does_not_run_is_named(runtime: Runtime, changes: dict[str, Any], message: str):
    """
    Before a process is started for it.
    """
    plain = a_version()
    version = VersionRecord(plain.id, 1, "rates", plain.modules, {**plain.metadata, **changes}, "")

    with pytest.raises(StartupFailed, match=message):
        await runtime.start(version)


@pytest.mark.parametrize("name", ["../index.py", "/tmp/index.py", "a/../../b.py"])
async def test_modules_stay_in_their_bundle(runtime: Runtime, name: str):
    """
    A name that leaves the directory would write over anything.
    """
    plain = a_version()
    modules = (*plain.modules, Module(name, "text/x-python", b""))
    version = VersionRecord(plain.id, 1, "rates", modules, plain.metadata, "")

    with pytest.raises(StartupFailed, match="not a relative path inside the bundle"):
        await runtime.start(version)


async def test_javascript_without_its_runtime_is_refused_in_words(runtime: Runtime):
    """
    Whoever sees it should know what to install.
    """
    modules = (Module("index.js", "application/javascript+module", b"export default {}"),)
    version = VersionRecord("1" * 36, 1, "rates", modules, {"main_module": "index.js"}, "")

    with pytest.raises(StartupFailed, match=r"index\.js is JavaScript.*there is none: install it with"):
        await runtime.start(version)


async def test_a_version_that_hangs_is_given_up(workdir: Path):
    """
    An upload waits for its validation.
    """
    runtime = Runtime(d1_socket=workdir / "d1", workdir=workdir, startup_limit=timedelta(milliseconds=500))

    with pytest.raises(StartupFailed, match=r"not ready within 0\.5 s"):
        await runtime.start(a_version("import time; time.sleep(60)"))

    assert runtime.running == ()
    await runtime.close()
