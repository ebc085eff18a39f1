"""`phasegate plan`, the schema for editors, and the guide that is generated from it."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from phasegate.adapters.plan_schema import file_schema, schema_text
from phasegate.adapters.plan_yaml import load_plan
from phasegate.cli_plan import plan

pytestmark = pytest.mark.patient

ROOT = Path(__file__).parents[1]
PLANS = ROOT / "deployments" / "plans"
GUIDE = ROOT / "docs" / "plans.md"


def run(*arguments: str):
    return CliRunner(env={"PHASEGATE_PLANS": None}).invoke(plan, list(arguments))


def test_check_says_ok_in_one_line_for_each_plan():
    """
    Phases, weights and the least time a release takes.
    """
    done = run("check", "production", str(PLANS / "demo.yaml"))

    weights = "4 phases (staging 0%, canary 10%, partial 50%, full 100%)"
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        f"ok production: {weights}, at least 30h5m",
        f"ok {PLANS / 'demo.yaml'}: {weights}, at least 1m3s",
    ]


def test_check_names_every_fault_and_checks_the_other_plans_too(tmp_path):
    """
    Exit code 2: the one who typed it can correct it.
    """
    bad = tmp_path / "bad.yaml"
    bad.write_text("extends: production\ntick: 2m\nphases: [{name: full, weight: 90}]\n", encoding="utf-8")

    done = run("check", str(bad), "demo")

    assert done.exit_code == 2
    assert done.stdout.startswith("ok demo: ")
    assert done.stderr.splitlines() == [
        f"phasegate: {bad}:2: tick: 2m; allowed: 100ms to 1m",
        f"phasegate: {bad}:3: phases.full.weight: 90 in the last phase; allowed: 100",
    ]


def test_show_is_a_readable_table_also_when_piped():
    """
    What a release will do, before it is started.
    """
    done = run("show", "production")

    assert done.exit_code == 0
    for words in ("canary", "10 %", "2h", "P95 < 500ms", "errors > 1%", "engineering-lead + product-owner"):
        assert words in done.stdout
    assert "\x1b" not in done.stdout


def test_show_of_no_plan_says_which_exist():
    """
    One line, exit code 2, no traceback.
    """
    done = run("show", "productoin")

    assert done.exit_code == 2
    assert done.stderr == (
        "phasegate: no plan 'productoin'; did you mean 'production'? plans: demo, demo-keep, production\n"
    )


def test_list_names_plans_of_a_given_directory_too(tmp_path):
    """
    A project's own plans stand beside the shipped ones.
    """
    (tmp_path / "hotfix.yaml").write_text("extends: production\n", encoding="utf-8")

    assert run("list", "--plans", str(tmp_path)).stdout.split() == [
        "demo",
        "demo-keep",
        "hotfix",
        "production",
    ]


def test_help_needs_nothing_heavy():
    """
    A program that takes a second to say how it is used is not asked.
    """
    code = (
        "import sys, phasegate.cli_plan; print(*{'pydantic', 'yaml', 'rich', 'prefect'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.split() == []


def test_the_schema_that_is_checked_in_is_fresh():
    """
    Stale? Run `python docs/plan_reference.py`.
    """
    assert (PLANS / "schema.json").read_text(encoding="utf-8") == schema_text()
    assert run("schema").stdout == schema_text()


@pytest.mark.parametrize("name", ["production", "demo", "demo-keep"])
def test_the_schema_accepts_the_shipped_plans(name):
    """
    An editor must not mark what the loader accepts.
    """
    text = (PLANS / f"{name}.yaml").read_text(encoding="utf-8")
    written = json.loads(json.dumps(yaml.safe_load(text), default=str))

    jsonschema.Draft202012Validator(file_schema()).validate(written)


@pytest.mark.parametrize(
    "written",
    [
        {"name": "alone"},
        {"extends": "production", "nam": "x"},
        {"extends": "production", "phases": [{"weight": 10}]},
        {"extends": "production", "tick": "5"},
        {"extends": "production", "phases": [{"name": "canary", "success": [{"metric": "error-rate"}]}]},
    ],
)
def test_the_schema_refuses_what_an_editor_can_see(written):
    """
    Unknown keys, missing names, bad quantities and half rules.
    """
    assert not jsonschema.Draft202012Validator(file_schema()).is_valid(written)


@pytest.mark.parametrize("written", [{"upkeep": None}, {"phases": [{"name": "staging", "gate": None}]}])
def test_the_schema_lets_a_child_remove_optional_values(written):
    """
    Null is how a child says: not this.
    """
    jsonschema.Draft202012Validator(file_schema()).validate({"extends": "production"} | written)


def test_the_reference_in_the_guide_is_fresh():
    """
    Stale? Run `python docs/plan_reference.py`.
    """
    spec = importlib.util.spec_from_file_location("plan_reference", ROOT / "docs" / "plan_reference.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    guide = GUIDE.read_text(encoding="utf-8")

    assert script.with_reference(guide) == guide


def test_the_example_of_the_guide_works(tmp_path):
    """
    Somebody will copy it.
    """
    example = GUIDE.read_text(encoding="utf-8").split("```yaml\n", 1)[1].split("```", 1)[0]
    path = tmp_path / "hotfix.yaml"
    path.write_text(example, encoding="utf-8")

    found = load_plan(path, search=(PLANS,))

    assert [phase.name for phase in found.phases] == ["staging", "canary", "quarter", "partial", "full"]
    assert "29h5m" in run("check", str(path)).stdout
