"""The load generator as a program."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from load_server import a_server, hello

TRAFFIC = Path(__file__).resolve().parents[2] / "examples" / "spring-rate-api" / "traffic.json"


async def test_the_program_ends_on_sigterm_and_prints_its_report(tmp_path):
    """
    The demo runs it as a process beside the release and reads its progress from a file.
    """
    mix, progress = tmp_path / "mix.json", tmp_path / "progress.jsonl"
    mix.write_text('{"requests": [{"method": "GET", "path": "/hello"}]}')

    async with a_server(hello) as url:
        command = [sys.executable, "-m", "phasegate.adapters.load", "--url", url, "--rate", "50"]
        files = ["--mix", str(mix), "--progress-file", str(progress)]
        process = await asyncio.create_subprocess_exec(*command, *files, stdout=subprocess.PIPE)
        try:
            await until(lambda: progress.exists() and progress.read_text().count("\n") >= 2)
            process.send_signal(signal.SIGTERM)
            out, _ = await asyncio.wait_for(process.communicate(), 10)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    report = json.loads(out)
    samples = [json.loads(line) for line in progress.read_text().splitlines()]
    assert process.returncode == 0
    assert report["failed"] == 0
    assert report["sent"] >= samples[-1]["sent"] > samples[0]["sent"] > 0
    assert set(samples[0]["versions"]) == {"v1"}


async def until(condition, limit=20.0):
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["--url", "nowhere", "--rate", "1"], 2, "not an http"),
        (["--url", "http://127.0.0.1:9", "--rate", "-1"], 2, "rate is above 0"),
        (["--url", "http://127.0.0.1:9", "--rate", "1", "--header", "x"], 2, "--header takes"),
        (["--url", "http://127.0.0.1:9", "--rate", "1"], 3, "no session from"),
    ],
)
def test_the_program_says_what_is_wrong(arguments, code, reason):
    """
    Bad input and a service that is away have exit codes of their own.
    """
    command = [sys.executable, "-m", "phasegate.adapters.load", "--mix", str(TRAFFIC), *arguments]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == code
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
