"""``phasegate doctor`` says what is there, what is missing, and what to do about it."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from phasegate.adapters.ledger_sql import SqlLedger
from phasegate.adapters.plan_yaml import load_plan
from phasegate.doctor import examine
from phasegate.edge.config import EdgeConfig
from phasegate.edge.server import Edge
from phasegate.settings import Settings
from tests.loopback import Reply, serve
from tests.toolchain import needs_wrangler

NOBODY = "http://127.0.0.1:9/api"


async def rows_of(tmp_path, **given):
    settings = Settings(project=tmp_path, prefect_api_url=NOBODY, **given)
    return {row.name: row for row in await examine(settings)}


async def test_an_empty_machine_is_told_what_to_start(tmp_path):
    """
    And nothing is created by asking.
    """
    rows = await rows_of(tmp_path)

    assert (rows["Prefect API"].status, rows["keeper"].status) == ("missing", "missing")
    assert rows["ledger"].status == "warning"
    assert "PHASEGATE_ACCOUNT_ID" in rows["Cloudflare API"].detail
    assert "phasegate keeper" in rows["keeper"].next
    assert list(tmp_path.iterdir()) == []


async def test_the_pins_hold_here(tmp_path):
    """
    Prefect with another FastAPI or SQLAlchemy fails silently.
    """
    rows = await rows_of(tmp_path)

    assert {rows[name].status for name in ("Python", "prefect", "fastapi", "sqlalchemy")} == {"ok"}


@pytest.mark.parametrize(("age", "status"), [(1, "ok"), (3600, "missing")])
async def test_a_keeper_is_there_while_it_gives_signs_of_life(tmp_path, age, status):
    """
    One that died an hour ago guards nothing.
    """
    ledger = SqlLedger(str(tmp_path / "ledger.db"))
    await ledger.ready()
    await ledger.beat("keeper", at=datetime.now(UTC) - timedelta(seconds=age))
    await ledger.close()

    rows = await rows_of(tmp_path, ledger=str(tmp_path / "ledger.db"))

    assert rows["ledger"].status == "ok"
    assert rows["keeper"].status == status


async def test_the_platform_is_asked(tmp_path):
    """
    A token that it refuses is as bad as none.
    """
    async with Edge(EdgeConfig()) as edge:
        known = {"api_url": edge.api_url, "account_id": edge.account_id}

        good = await rows_of(tmp_path, **known, token=SecretStr(edge.token))
        bad = await rows_of(tmp_path, **known, token=SecretStr("another-token-that-is-unknown"))

    assert good["Cloudflare API"].status == "ok"
    assert good["rollout: Workers Scripts Write"].status == "ok"
    # One token that stands for all three roles works, and is said.
    assert good["tokens"].status == "warning"
    assert bad["Cloudflare API"].status == "missing"
    assert "another-token" not in bad["Cloudflare API"].detail


@needs_wrangler
async def test_the_toolchain_is_found(tmp_path):
    """
    It is what builds Worker projects and runs them on the local edge.
    """
    rows = await rows_of(tmp_path)

    assert {rows[name].status for name in ("Node", "wrangler", "workerd")} == {"ok"}


async def test_a_machine_without_node_can_release_ready_bundles(tmp_path, monkeypatch):
    """
    So that is a warning, which says what to install.
    """
    monkeypatch.setenv("PHASEGATE_TOOLCHAIN", str(tmp_path))
    monkeypatch.setenv("PHASEGATE_WORKERD", "/nowhere")

    rows = await rows_of(tmp_path)

    assert {rows[name].status for name in ("wrangler", "workerd")} == {"warning"}
    assert "make toolchain" in rows["workerd"].next


def test_the_exit_code_says_whether_anything_is_missing(tmp_path):
    """
    A pipeline asks before it starts.
    """
    done = subprocess.run(
        [sys.executable, "-m", "phasegate.cli", "doctor", "--json"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PHASEGATE_PREFECT_API_URL": NOBODY},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert {"name", "status", "detail", "next"} == set(rows[0])
    assert any(row["status"] == "missing" for row in rows)


async def prefect_rows(tmp_path, answer):
    """What is said of a Prefect server that answers so."""
    async with serve(lambda method, path, body: answer(path)) as prefect:
        settings = Settings(project=tmp_path, prefect_api_url=f"{prefect.url}/api")
        return {row.name: row for row in await examine(settings)}


async def test_the_deployments_are_looked_for_with_the_credentials(tmp_path):
    """
    Prefect tells everybody that it is healthy; what a release needs it tells only those it knows.
    """

    def known(path):
        if path.endswith("/release/release"):
            return Reply(200, {"paused": False, "work_pool_name": "phasegate"})
        return Reply(404, {"detail": "Deployment not found"})

    rows = await prefect_rows(tmp_path, known)
    stranger = await prefect_rows(tmp_path, lambda path: Reply(200 if path.endswith("/health") else 401, {}))

    assert rows["deployment release/release"].detail == "phasegate"
    assert rows["deployment rollback/rollback"].status == "missing"
    assert "deploy --all" in rows["deployment rollback/rollback"].next
    assert stranger["Prefect API"].status == "missing"
    assert "PHASEGATE_PREFECT_AUTH" in stranger["Prefect API"].detail


async def test_a_channel_that_leads_nowhere_is_said_before_the_night(tmp_path):
    """
    With the plans that name it.
    """
    some = await rows_of(tmp_path, channels={"pagerduty": "https://events.example/?routing_key=k"})
    plan = load_plan("production", search=Settings(project=tmp_path).plan_places)
    full = await rows_of(tmp_path, channels=dict.fromkeys(plan.told, "https://hooks.example/?routing_key=k"))

    assert some["channels"].status == "warning"
    assert "slack:#eng-alerts (" in some["channels"].detail
    assert "pagerduty" not in some["channels"].detail
    assert full["channels"].status == "ok"
