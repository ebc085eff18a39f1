"""The commands of the conformance run, in order; each is what a person or a pipeline would type."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from wrangler import Session

from phasegate.adapters.localhost import ssl_context
from phasegate.edge.faults import Fault

LIMITED = {"kind": "rate_limit", "match": {"path": "/deployments"}, "seconds": 1, "times": 50}


async def whoami(run: Session) -> None:
    """Who the token belongs to."""
    await run.run("whoami", "whoami")


async def deploy(run: Session) -> None:
    """The first deploy makes the Worker, and the one of staging another."""
    await run.run("first deploy", "deploy", "--env=")
    await run.run("deploy to staging", "deploy", "--env", "staging")


async def upload(run: Session) -> None:
    """Two versions without traffic."""
    for tag in ("2", "3"):
        words = ("versions", "upload", "--env=", "--tag", f"v{tag}", "--message", f"version {tag}")
        await run.run(f"upload v{tag}", *words, "--var", f"VERSION:{tag}")


async def read_versions(run: Session) -> None:
    """What is there."""
    await run.run("versions list", "versions", "list", "--env=", "--json")
    version = _version(run, "v2")
    await run.run("versions view", "versions", "view", version, "--env=", "--json")


async def split(run: Session) -> None:
    """A canary of a tenth, and back to nothing with the canary still reachable by override."""
    canary, stable = _version(run, "v2"), _version(run, "")
    words = ("versions", "deploy", "--env=", "-y")
    await run.run("split 10/90", *words, f"{canary}@10", f"{stable}@90", "--message", "canary 10")
    run.notes["shares at 10/90"] = await _answers(run, "/version", count=50)
    await run.run("split 0/100", *words, f"{canary}@0", f"{stable}@100")
    run.notes["by override at 0/100"] = await _answers(run, "/version", override=canary)


async def read_deployments(run: Session) -> None:
    """What serves, and what did."""
    await run.run("deployments status", "deployments", "status", "--env=", "--json")
    await run.run("deployments list", "deployments", "list", "--env=", "--json")


async def roll_back(run: Session) -> None:
    """To a version by its id."""
    await run.run("rollback", "rollback", _version(run, "v3"), "--env=", "-y", "--message", "it was better")
    run.notes["after the rollback"] = await _answers(run, "/version")


async def tail(run: Session) -> None:
    """What happens, as it happens."""
    await run.watch("tail", "tail", "--env=", "--format", "json", act=lambda: _answers(run, "/version"))


async def migrate(run: Session) -> None:
    """What is pending, and all of it applied."""
    words = ("d1", "migrations")
    await run.run("migrations list", *words, "list", "DB", "--remote", "--env=")
    await run.run("migrations apply", *words, "apply", "DB", "--remote", "--env=")
    run.notes["with a migrated database"] = await _answers(run, "/notes")
    sql = "SELECT name FROM d1_migrations ORDER BY id"
    execute = ("d1", "execute", "DB", "--remote", "--env=", "--json")
    await run.run("execute", *execute, "--command", sql)
    await run.run("execute a file", *execute, "--file", "seed.sql", "-y")
    run.notes["with a file of SQL"] = await _answers(run, "/notes")
    await run.run("execute a wrong file", *execute, "--file", "wrong.sql", "-y")


async def travel(run: Session) -> None:
    """A row too many, and back to where it was not there."""
    words = ("d1", "time-travel")
    info = await run.run("time-travel info", *words, "info", "DB", "--env=", "--json")
    sql = "INSERT INTO notes (text) VALUES ('too many')"
    await run.run("a write", "d1", "execute", "DB", "--remote", "--env=", "--json", "--command", sql)
    run.notes["notes before the restore"] = await _answers(run, "/notes")
    bookmark = f"--bookmark={info.json()['bookmark']}"
    await run.run("time-travel restore", *words, "restore", "DB", "--env=", "--json", bookmark)
    run.notes["notes after the restore"] = await _answers(run, "/notes")


async def deploy_again(run: Session) -> None:
    """What takes all traffic at once; and a Worker with static assets."""
    await run.run("deploy again", "deploy", "--env=", "--var", "VERSION:4")
    run.notes["after another deploy"] = await _answers(run, "/version")
    await run.run("deploy with assets", "deploy", "--env=", config="pages.jsonc")
    run.notes["a page"] = await _answers(run, "/", worker="pages")


async def refused(run: Session) -> None:
    """What must fail, and how it is said."""
    status = ("deployments", "status", "--env=", "--json")
    await run.run("wrong token", *status, token="0" * 40)
    await run.run("missing Worker", "versions", "upload", "--env=", "--name", "nobody")
    await run.run("a module that throws", "versions", "upload", "src/broken.js", "--env=")
    run.edge.faults.replace(Fault.read(LIMITED))
    await run.run("rate limit", *status)
    run.edge.faults.clear()


ALL: tuple[Callable[[Session], Awaitable[None]], ...] = (
    whoami,
    deploy,
    upload,
    read_versions,
    split,
    read_deployments,
    roll_back,
    tail,
    migrate,
    travel,
    deploy_again,
    refused,
)


def _version(run: Session, tag: str) -> str:
    """The id of a version that was uploaded; "" is the first, which has no tag."""
    found = run.ran["versions list"].json()
    return next(str(each["id"]) for each in found if each["annotations"].get("workers/tag", "") == tag)


async def _answers(
    run: Session, path: str, *, count: int = 1, override: str = "", worker: str = "demo"
) -> list[Any]:
    headers = {"host": f"{worker}.localhost"}
    if override:
        headers["cloudflare-workers-version-overrides"] = f'demo="{override}"'
    url = f"http://127.0.0.1:{run.edge.front_port}"
    async with httpx.AsyncClient(verify=ssl_context(), base_url=url, headers=headers, timeout=20) as front:
        answers = [await front.get(path) for _ in range(count)]
    return [_answer(each) for each in answers]


def _answer(response: httpx.Response) -> Any:
    if response.status_code != 200:
        return response.status_code
    return response.text if response.text.startswith("<") else json.loads(response.text)
