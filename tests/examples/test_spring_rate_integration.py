"""The runbook's validation tests, run as the program they are."""

import json
import os
import subprocess
import sys

import pytest
from spring_rate import EXAMPLE

KEYS = [
    "health",
    *("crud-create", "crud-read", "crud-update", "crud-delete"),
    *("sync-up", "sync-down", "sync-conflict"),
    *("auth-401", "auth-expiry", "auth-refresh"),
]


def run_integration(url, *arguments):
    command = [sys.executable, str(EXAMPLE / "integration.py"), *arguments]
    environment = os.environ | {"STAGING_URL": url}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("version", ["0.1.11", "0.1.12"])
def test_a_good_version_passes_every_check(serve, version, tmp_path):
    """
    Both good versions do all that the runbook validates in staging.
    """
    worker = serve(version, environment="staging")
    results = tmp_path / "results.json"

    done = run_integration(worker.url, "--json", str(results))

    assert done.stdout.splitlines() == [f"ok {key}" for key in KEYS]
    assert done.returncode == 0
    assert [check["key"] for check in json.loads(results.read_text())["checks"]] == KEYS


def test_a_localhost_name_is_loopback(serve):
    """
    The edge gives every service a name under .localhost, which not every resolver knows.
    """
    worker = serve("0.1.12", environment="staging")
    port = worker.url.rpartition(":")[2]

    done = run_integration(f"http://spring-rate-api.localhost:{port}", "--only", "health")

    assert done.stdout == "ok health\n"


def test_a_failure_says_which_check_and_why(serve):
    """
    A version whose migrations were not applied fails, in words.
    """
    worker = serve("0.1.12", environment="staging", migrated=False)

    done = run_integration(worker.url)

    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[0].startswith("FAILED health: answered 503")
    assert len(lines) == len(KEYS)


def test_nobody_there_is_a_failure():
    """
    A service that does not answer has not passed.
    """
    done = run_integration("http://127.0.0.1:9", "--only", "health")

    assert done.returncode == 1
    assert done.stdout.startswith("FAILED health: ConnectError")


def test_a_missing_url_is_said():
    """
    Without a URL there is nothing to test, and that is not a pass.
    """
    done = run_integration("")

    assert done.returncode == 2
    assert "STAGING_URL must be" in done.stderr
