"""What wrangler's configuration says about a project."""

import pytest

from phasegate.adapters.bundle_assets import read_assets
from phasegate.adapters.worker_config import find_config, read_config
from phasegate.domain.errors import BundleError

pytestmark = pytest.mark.patient

JSONC = """{
  // a comment
  "name": "rates", /* another */
  "vars": {"URL": "https://host//path", "TEXT": "a /* b */, ]"},
  "assets": {"directory": "dist", "run_worker_first": ["/api/*",],},
  "env": {"staging": {}, "other": {"assets": {"directory": "own"}},},
}"""


def test_comments_and_commas_are_read_over(tmp_path):
    """
    The same in a string is left alone.
    """
    (tmp_path / "wrangler.jsonc").write_text(JSONC)

    told = read_config(tmp_path / "wrangler.jsonc").told

    assert told["vars"] == {"URL": "https://host//path", "TEXT": "a /* b */, ]"}


def test_an_environment_inherits_its_assets(tmp_path):
    """
    Unless it names its own.
    """
    (tmp_path / "wrangler.jsonc").write_text(JSONC)

    config = read_config(tmp_path / "wrangler.jsonc")

    assert config.assets("staging") == config.assets("")
    assert config.assets("").directory == tmp_path / "dist"
    assert config.assets("").config == {"run_worker_first": ["/api/*"]}
    assert config.assets("other").directory == tmp_path / "own"


def test_toml_is_read_too(tmp_path):
    """
    Older projects have it; jsonc comes first, as for wrangler.
    """
    (tmp_path / "wrangler.toml").write_text('name = "rates"\n[env.staging]\nname = "rates-staging"\n')

    path = find_config(tmp_path)

    assert path is not None
    assert read_config(path).environments == ("staging",)


def test_a_broken_file_is_named(tmp_path):
    """
    With the place in it.
    """
    (tmp_path / "wrangler.json").write_text('{"name": }')

    with pytest.raises(BundleError, match=r"wrangler\.json: is not json: Expecting value: line 1 column 10"):
        read_config(tmp_path / "wrangler.json")


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("*.map", ["/a/page.html", "/b/page.html"]),
        ("a", ["/b/code.map", "/b/page.html"]),
        ("/a/*.html", ["/a/code.map", "/b/code.map", "/b/page.html"]),
        ("b/", ["/a/code.map", "/a/page.html"]),
    ],
)
def test_what_a_project_ignores_is_not_served(tmp_path, pattern, left):
    """
    As gitignore reads it.
    """
    for name in ("a/page.html", "a/code.map", "b/page.html", "b/code.map"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(name)
    (tmp_path / ".assetsignore").write_text(f"{pattern}\n")

    assert [asset.path for asset in read_assets(tmp_path)] == left


def test_what_cannot_be_carried_is_refused(tmp_path):
    """
    A rule that silently is not there would be found by users.
    """
    (tmp_path / "_headers").write_text("/*\n  X-A: b\n")

    with pytest.raises(BundleError, match="phasegate does not carry _headers"):
        read_assets(tmp_path)
