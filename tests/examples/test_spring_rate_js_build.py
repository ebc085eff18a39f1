"""Projects of the JavaScript sample: what wrangler gets to build."""

import json

import pytest
from spring_rate import EXAMPLE, example

from phasegate.adapters.worker_config import read_config

pytestmark = pytest.mark.patient

DATABASES = {"database_id": "db-p", "staging_database_id": "db-s"}
BUILD = example("build", of="spring-rate-js")
BAD = [version for version in BUILD.VERSIONS if version.startswith("0.1.13-")]


@pytest.mark.parametrize("version", BUILD.VERSIONS)
def test_a_project_names_its_version_and_its_databases(tmp_path, version):
    """
    In both environments, and as the tag that the build will carry.
    """
    project = BUILD.build(version, tmp_path, **DATABASES)

    told = read_config(project / "wrangler.jsonc").told
    environments = {"production": told, "staging": told["env"]["staging"]}
    assert {env["vars"]["VERSION"] for env in environments.values()} == {version}
    assert [env["d1_databases"][0]["database_id"] for env in environments.values()] == ["db-p", "db-s"]
    assert all(env["vars"]["ENVIRONMENT"] == name for name, env in environments.items())
    assert json.loads((project / "package.json").read_text())["version"] == version


@pytest.mark.parametrize("version", BAD)
def test_a_bad_version_differs_in_one_module(tmp_path, version):
    """
    So that what is seen is this defect and nothing else.
    """
    good, bad = (BUILD.build(name, tmp_path, **DATABASES) / "src" for name in ("0.1.12", version))

    differing = [file.name for file in bad.iterdir() if file.read_bytes() != (good / file.name).read_bytes()]

    assert len(differing) == 1


def test_the_twins_have_the_same_versions_and_migrations():
    """
    Equal behaviour is proved by the same tests, for the same names.
    """
    told = read_config(EXAMPLE.parent / "spring-rate-js" / "wrangler.jsonc").told
    directory = (EXAMPLE.parent / "spring-rate-js" / told["d1_databases"][0]["migrations_dir"]).resolve()

    assert set(BUILD.VERSIONS) == set(example("build").VERSIONS)
    assert directory == EXAMPLE / "migrations"


def test_an_unknown_version_is_refused(tmp_path):
    """
    With the names that there are.
    """
    with pytest.raises(BUILD.BuildError, match=r"no version '9\.9\.9'; there are 0\.1\.11"):
        BUILD.build("9.9.9", tmp_path, **DATABASES)
