"""The validation program, as a real process."""

import os
import sys
import textwrap
import time
from pathlib import Path

import pytest

from phasegate.adapters.clock import SystemClock
from phasegate.adapters.validation import run_validation
from phasegate.domain.checklist import Outcome, Result
from phasegate.domain.phase import Validation

URL = "http://staging.localhost:8787"


async def validate(project: Path, program: str, *, limit: str = "20s") -> dict[str, Result]:
    (project / "check.py").write_text(textwrap.dedent(program))
    validation = Validation.model_validate({"command": ("{python}", "check.py"), "limit": limit})
    results = await run_validation(URL, validation, project=project, clock=SystemClock())
    return {result.key: result for result in results}


async def test_each_line_becomes_a_result(tmp_path):
    """
    The checklist is proved item by item.
    """
    program = """
        print("ok health")
        print("some noise")
        print("FAILED crud-create: answered 500")
        raise SystemExit(1)
    """

    results = await validate(tmp_path, program)

    assert results["health"].outcome is Outcome.PASSED
    assert results["crud-create"].outcome is Outcome.FAILED
    assert results["crud-create"].detail == "answered 500"
    assert set(results) == {"health", "crud-create"}
    assert all(result.at is not None for result in results.values())


async def test_a_key_that_failed_stays_failed(tmp_path):
    """
    A flaky check that passes at the second try has still failed once.
    """
    results = await validate(tmp_path, 'print("FAILED sync: lost"); print("ok sync")')

    assert results["sync"].outcome is Outcome.FAILED


async def test_an_exit_code_alone_is_a_result(tmp_path):
    """
    Not every test program prints our lines; its exit code says it as well.
    """
    good = await validate(tmp_path, 'print("42 tests passed")')
    bad = await validate(tmp_path, 'import sys; sys.exit("assert 1 == 2")')

    assert good["validation"].outcome is Outcome.PASSED
    assert bad["validation"].outcome is Outcome.FAILED
    assert bad["validation"].detail == "exit code 1: assert 1 == 2"


async def test_it_knows_the_address_and_none_of_our_secrets(tmp_path, monkeypatch):
    """
    The program is somebody else's: it must not be able to print or use our token.
    """
    monkeypatch.setenv("PHASEGATE_TOKEN", "s3cret")
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "s3cret")
    program = """
        import json, os, pathlib
        pathlib.Path("env.json").write_text(json.dumps(dict(os.environ)))
    """

    await validate(tmp_path, program)

    seen = (tmp_path / "env.json").read_text()
    assert URL in seen
    assert "s3cret" not in seen


async def test_it_is_ended_at_its_limit_with_all_its_children(tmp_path):
    """
    A hanging browser test must neither hold the phase nor live on.
    """
    program = f"""
        import pathlib, subprocess, time
        child = subprocess.Popen([{sys.executable!r}, "-c", "import time; time.sleep(600)"])
        pathlib.Path("pid").write_text(str(child.pid))
        print("ok health", flush=True)
        time.sleep(600)
    """

    results = await validate(tmp_path, program, limit="2s")

    assert results["validation"].detail == "ended after its limit of 2s"
    assert results["health"].outcome is Outcome.PASSED
    assert ended(int((tmp_path / "pid").read_text()))


async def test_a_child_that_outlives_it_is_ended_too(tmp_path):
    """
    A server left behind would keep the output open and the next validation's port taken.
    """
    program = f"""
        import pathlib, subprocess
        child = subprocess.Popen([{sys.executable!r}, "-c", "import time; time.sleep(600)"])
        pathlib.Path("pid").write_text(str(child.pid))
        print("ok health", flush=True)
    """
    began = time.monotonic()

    results = await validate(tmp_path, program, limit="60s")

    assert results["health"].outcome is Outcome.PASSED
    assert time.monotonic() - began < 30
    assert ended(int((tmp_path / "pid").read_text()))


async def test_output_without_end_does_not_fill_the_memory(tmp_path):
    """
    A program that prints for ever is read, bounded and ended.
    """
    program = """
        print("ok health", flush=True)
        while True:
            print("x" * 65536)
    """

    results = await validate(tmp_path, program, limit="2s")

    assert results["health"].outcome is Outcome.PASSED
    assert results["validation"].outcome is Outcome.FAILED


@pytest.mark.parametrize("command", [("no-such-program",), ("./check.txt",)])
async def test_a_program_that_cannot_start_is_a_failed_check(tmp_path, command):
    """
    The plan names a program that this machine does not have: nothing was validated.
    """
    (tmp_path / "check.txt").write_text("no program")
    validation = Validation.model_validate({"command": command, "limit": "5s"})

    (result,) = await run_validation(URL, validation, project=tmp_path, clock=SystemClock())

    assert result.outcome is Outcome.FAILED
    assert command[0] in result.detail


async def test_no_shell_reads_the_command(tmp_path):
    """
    A plan is data; a semicolon in it is a character.
    """
    command = ("{python}", "-c", "import sys; print(sys.argv[1:])", "; touch hacked")
    validation = Validation.model_validate({"command": command, "limit": "10s"})

    await run_validation(URL, validation, project=tmp_path, clock=SystemClock())

    assert not (tmp_path / "hacked").exists()


def ended(pid: int) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False
