"""
The real wrangler cannot tell the edge from Cloudflare.

Every command a release or its rollback may need is run once, by two versions of wrangler; the table of
commands, exit codes and calls is printed at the end of the test run and kept in ``build/conformance``.
"""

import asyncio
import re
from collections import Counter
from pathlib import Path

import httpx
import pytest
from golden import as_golden, write_golden
from recorder import recording
from steps import ALL
from wrangler import Session, keep, lay_out, node_for, transcript

from phasegate.adapters.toolchain import Wrangler
from phasegate.edge.config import EdgeConfig
from phasegate.edge.server import Edge
from tests.toolchain import NEWEST, OLDER, needs_wrangler, wrangler_of

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [needs_wrangler, pytest.mark.patient]


@pytest.fixture(scope="module", params=[NEWEST, OLDER])
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A whole session of one wrangler, run once for all tests of this file."""
    home = tmp_path_factory.mktemp("wrangler")
    wrangler = wrangler_of(request.param)
    session = asyncio.run(_session(wrangler, home))
    keep(transcript(session), name=f"wrangler-{wrangler.version}.txt", root=ROOT)
    if request.config.getoption("--record"):
        write_golden(as_golden(session), wrangler.version)
    return session


async def _session(wrangler: Wrangler, home: Path) -> Session:
    async with Edge(EdgeConfig()) as edge, recording(edge.origin) as recorder:
        databases = [await _database(edge, f"notes{suffix}") for suffix in ("", "-staging")]
        project = home / "project"
        lay_out(project, database=databases[0], staging_database=databases[1])
        session = Session(edge, recorder, wrangler, node_for(wrangler), project, home, databases)
        for step in ALL:
            await step(session)
        return session


async def _database(edge: Edge, name: str) -> str:
    headers = {"authorization": f"Bearer {edge.token}"}
    async with httpx.AsyncClient(headers=headers) as client:
        path = f"{edge.api_url}/accounts/{edge.account_id}/d1/database"
        answer = await client.post(path, json={"name": name})
    return str(answer.json()["result"]["uuid"])


SUCCEEDS = (
    *("whoami", "first deploy", "deploy to staging", "upload v2", "upload v3", "versions list"),
    *("versions view", "split 10/90", "split 0/100", "deployments status", "deployments list", "rollback"),
    *("migrations list", "migrations apply", "execute", "execute a file", "time-travel info", "a write"),
    *("time-travel restore", "deploy again", "deploy with assets"),
)
FAILS = {
    "wrong token": r"Authentication error \[code: 10000\]",
    "missing Worker": "does not yet exist|code: 10007",
    "a module that throws": "boom",
    "execute a wrong file": "no such table: nowhere",
    "rate limit": "code: 971",
}


@pytest.mark.parametrize("name", SUCCEEDS)
def test_the_command_succeeds(done: Session, name: str):
    """
    Exit code 0, and no call of it that the edge does not know.
    """
    ran = done.ran[name]

    assert ran.code == 0, ran.out + ran.err
    unknown = [each for each in ran.exchanges if each.status == 404 and "7003" in str(each.answer)]
    assert unknown == []


@pytest.mark.parametrize("name", FAILS)
def test_the_command_fails_as_on_cloudflare(done: Session, name: str):
    """
    Exit code 1, in words that come from the answer of the API.
    """
    ran = done.ran[name]

    assert ran.code == 1, ran.out + ran.err
    assert re.search(FAILS[name], ran.out + ran.err)


def test_the_split_is_what_was_typed(done: Session):
    """
    A tenth of the requests, and none at 0 % but those that ask for the version.
    """
    deployments = done.ran["deployments list"].json()

    assert Counter(done.notes["shares at 10/90"]) == {"2": 5, "1": 45}
    assert done.notes["by override at 0/100"] == ["2"]
    assert [sorted(version["percentage"] for version in each["versions"]) for each in deployments] == [
        [100],
        [10, 90],
        [0, 100],
    ]
    assert deployments[1]["annotations"]["workers/message"] == "canary 10"


def test_the_versions_are_those_that_were_uploaded(done: Session):
    """
    With their tags and messages, oldest first as wrangler lists them.
    """
    listed = done.ran["versions list"].json()
    viewed = done.ran["versions view"].json()

    assert [version["annotations"].get("workers/tag") for version in listed] == [None, "v2", "v3"]
    assert viewed["annotations"]["workers/message"] == "version 2"
    assert {binding["name"] for binding in viewed["resources"]["bindings"]} == {"VERSION", "DB"}


def test_traffic_follows_the_commands(done: Session):
    """
    The rollback took effect, the migrations made the service work, and time travel took a row back.
    """
    notes = done.notes

    assert notes["after the rollback"] == ["3"]
    assert notes["with a migrated database"] == [{"version": "3", "notes": 1}]
    assert notes["with a file of SQL"] == [{"version": "3", "notes": 3}]
    assert notes["notes before the restore"] == [{"version": "3", "notes": 4}]
    assert notes["notes after the restore"] == [{"version": "3", "notes": 3}]


def test_a_tail_shows_what_happens(done: Session):
    """
    Over a WebSocket, which is as lenient as Cloudflare's: wrangler's first message is not masked.
    """
    ran = done.ran["tail"]

    assert '"outcome": "ok"' in ran.out, ran.out + ran.err
    assert '/version"' in ran.out
    assert {call.split()[-1] for call in ran.calls if "/tails" in call} == {"200"}


def test_a_deploy_takes_all_traffic(done: Session):
    """
    Of a Worker that exists it is an upload and a split; assets arrive by calls of their own.
    """
    calls = [call.partition("?")[0] for call in done.ran["deploy again"].calls if call.startswith("POST")]
    pages = done.ran["deploy with assets"]

    assert done.notes["after another deploy"] == ["4"]
    assert [call.rpartition("/")[2] for call in calls[:2]] == ["versions", "deployments 200"]
    assert done.notes["a page"] == ["<h1>notes</h1>"]
    assert any("/workers/assets/upload" in call for call in pages.calls)


def test_migrations_are_named_by_their_files(done: Session):
    """
    The table is d1_migrations, whatever a runbook calls it.
    """
    [answer] = done.ran["execute"].json()

    assert [row["name"] for row in answer["results"]] == ["0001_notes.sql", "0002_first.sql"]
    assert "0001_notes.sql" in done.ran["migrations list"].out


def test_staging_is_a_worker_of_its_own(done: Session):
    """
    Nothing that production's commands did has touched it.
    """
    paths = {exchange.path.rpartition("/scripts/")[2] for exchange in done.ran["deploy to staging"].exchanges}

    assert any(path.startswith("demo-staging") for path in paths)
    assert not any(path == "demo" or path.startswith("demo/") for path in paths)
