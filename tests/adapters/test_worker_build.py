"""A Worker project becomes one bundle for all environments, by its own wrangler and without a credential."""

import asyncio
import hashlib
import json
from pathlib import Path

import pytest

from phasegate.adapters.toolchain import find_node, find_wrangler
from phasegate.adapters.worker_build import Built, build_project, is_project
from phasegate.domain.errors import BundleError, SettingsError
from phasegate.domain.plan import Environment
from tests.toolchain import needs_wrangler

TOKEN = "marked-token-4d1f"
CONFIG = {
    "name": "rates",
    "main": "index.js",
    "compatibility_date": "2026-02-15",
    "vars": {"ENVIRONMENT": "production"},
    "env": {"staging": {"vars": {"ENVIRONMENT": "staging"}}},
}
ASSETS = {"directory": "public", "binding": "ASSETS", "not_found_handling": "404-page"}


def a_project(directory: Path, *, source: str = "export default { fetch() {} };", **changes: object) -> Path:
    """A project on disk; *changes* are laid over its configuration."""
    directory.mkdir(parents=True, exist_ok=True)
    told = "// how it is built\n" + json.dumps(CONFIG | changes, indent=1)
    (directory / "wrangler.jsonc").write_text(told)
    (directory / "index.js").write_text(source)
    (directory / "package.json").write_text('{"name": "rates", "version": "1.2.3"}')
    return directory


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Built]:
    """A project with assets, whose own build step writes down what it can see; and what came of it."""
    root = tmp_path_factory.mktemp("build")
    project = a_project(root / "project", assets=ASSETS, build={"command": "env > seen.txt"})
    (project / "public").mkdir()
    (project / "public" / "index.html").write_text("<h1>rates</h1>")
    (project / "public" / "notes.txt").write_text("not for the public")
    (project / "public" / ".assetsignore").write_text("# drafts\n*.txt\n")
    (project / ".env").write_text(f"CLOUDFLARE_API_TOKEN={TOKEN}\n")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CLOUDFLARE_API_TOKEN", "PHASEGATE_TOKEN", "SOME_SECRET"):
            patch.setenv(name, TOKEN)
        return project, asyncio.run(build_project(project, root / "kept", message="for the test"))


@needs_wrangler
def test_one_build_serves_both_environments(built):
    """
    The bytes that staging proved are the bytes that production gets; the bindings are each its own.
    """
    _, done = built
    bundle = done.bundle

    texts = {
        environment: [each.get("text") for each in metadata["bindings"] if each["type"] == "plain_text"]
        for environment, metadata in bundle.metadata.items()
    }

    assert [module.name for module in bundle.modules] == ["index.js", "index.js.map"]
    assert texts == {Environment.PRODUCTION: ["production"], Environment.STAGING: ["staging"]}
    assert bundle.tag == "1.2.3"
    assert bundle.metadata[Environment.PRODUCTION]["annotations"]["workers/message"] == "for the test"


@needs_wrangler
def test_the_body_is_kept_with_how_it_was_built(built):
    """
    Whoever asks later what was released finds the exact body, and the tools that made it.
    """
    _, done = built

    record = json.loads(done.path.with_name("build.json").read_text())

    assert hashlib.sha256(done.path.read_bytes()).hexdigest() == done.body_digest == record["sha256"]
    assert done.path.parent.name.startswith(done.bundle.digest)
    assert (record["wrangler"], record["node"]) == (done.wrangler, done.node)


@needs_wrangler
def test_static_assets_are_kept_beside_it(built):
    """
    Without what the project keeps to itself; how they are served comes from its configuration.
    """
    _, done = built

    assert [(asset.path, asset.content_type) for asset in done.bundle.assets] == [
        ("/index.html", "text/html")
    ]
    for metadata in done.bundle.metadata.values():
        assert metadata["assets"] == {"config": {"not_found_handling": "404-page"}}


@needs_wrangler
def test_the_project_sees_none_of_our_secrets(built):
    """
    A build runs code of whoever wrote its dependencies; nothing that it could send away is there.
    """
    project, _ = built

    seen = (project / "seen.txt").read_text()

    assert "XDG_CONFIG_HOME=" in seen
    assert TOKEN not in seen


@needs_wrangler
async def test_a_build_that_differs_in_staging_is_refused(tmp_path):
    """
    Staging would prove nothing about what production gets.
    """
    environments = {"staging": {"vars": {"ENVIRONMENT": "staging"}, "define": {"MODE": '"staging"'}}}
    project = a_project(tmp_path, source="export default { mode: MODE, fetch() {} };", env=environments)
    project.joinpath("wrangler.jsonc").write_text(
        json.dumps(CONFIG | {"define": {"MODE": '"production"'}, "env": environments})
    )

    with pytest.raises(BundleError, match=r"index\.js.*staging's build differs from production's"):
        await build_project(project, tmp_path / "kept")

    assert list((tmp_path / "kept").glob("*")) == []


@needs_wrangler
async def test_a_project_that_cannot_be_built_says_why(tmp_path):
    """
    In wrangler's words.
    """
    project = a_project(tmp_path, source='import "./nowhere.js";')

    with pytest.raises(BundleError, match=r"could not build the top level: .*nowhere\.js"):
        await build_project(project, tmp_path / "kept")


async def test_a_project_without_staging_is_refused(tmp_path):
    """
    Its staging would be production's database.
    """
    project = a_project(tmp_path, env={"api": {}})

    with pytest.raises(BundleError, match=r"env\.staging: is not there; the environments are: api"):
        await build_project(project, tmp_path / "kept")


async def test_a_build_without_node_says_how_to_get_it(tmp_path, monkeypatch):
    """
    The message of the first day.
    """
    package = tmp_path / "node_modules" / "wrangler"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"version": "9.9.9", "engines": {"node": ">=99.1.0"}}')

    with pytest.raises(
        SettingsError, match=r"Node 99\.1\.0 or newer is needed.*install `phasegate\[workers\]`"
    ):
        await build_project(a_project(tmp_path), tmp_path / "kept")


def test_the_projects_own_wrangler_comes_first(tmp_path):
    """
    A team pins the wrangler that it builds with; a monorepo keeps it above the project.
    """
    package = tmp_path / "node_modules" / "wrangler"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"version": "4.1.2", "engines": {"node": ">=20.3.0"}}')

    found = find_wrangler(tmp_path / "apps" / "rates")

    assert (found.version, found.needs) == ("4.1.2", (20, 3, 0))
    assert found.script == package / "bin" / "wrangler.js"


def test_a_named_node_is_the_only_one(monkeypatch):
    """
    Whoever names a program wants that one, and not another that happens to be there.
    """
    monkeypatch.setenv("PHASEGATE_NODE", "/nowhere/node")

    with pytest.raises(SettingsError, match="/nowhere/node is no Node"):
        find_node()


def test_a_bundle_is_no_project(tmp_path):
    """
    A ready bundle is taken as it is.
    """
    assert is_project(a_project(tmp_path))

    (tmp_path / "metadata.json").write_text("{}")

    assert not is_project(tmp_path)
