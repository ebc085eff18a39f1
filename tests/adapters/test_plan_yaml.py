"""Plan files: inheritance, and errors that say file, line, field, value and what is allowed."""

import sys
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from phasegate.adapters.plan_yaml import load_plan, plan_names
from phasegate.domain.errors import PlanError

pytestmark = pytest.mark.patient

SHIPPED = Path(__file__).parents[2] / "deployments" / "plans"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(dedent(text), encoding="utf-8")
    return path


def faults(folder: Path, text: str | bytes) -> list[str]:
    """The lines of the error for a plan with *text*, without the folder."""
    path = folder / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
    with pytest.raises(PlanError) as refused:
        load_plan(path, search=(SHIPPED,))
    return str(refused.value).replace(f"{folder}/", "").splitlines()


def test_a_child_changes_only_what_it_names(tmp_path):
    """
    Mappings merge deeply, phases by name; the rest is the parent's.
    """
    path = write(
        tmp_path,
        "short.yaml",
        """\
        extends: production
        telemetry: {settle: 90s}
        phases:
          - name: canary
            soak: {duration: 1h}
        """,
    )
    parent = load_plan("production", search=(SHIPPED,))

    plan = load_plan(path, search=(SHIPPED,))

    assert plan.name == "short"
    assert plan.telemetry.settle == timedelta(seconds=90)
    assert plan.telemetry.silence_warns == parent.telemetry.silence_warns
    assert plan.phase("canary").soak.duration == timedelta(hours=1)
    assert plan.phase("canary").soak.warmup == parent.phase("canary").soak.warmup
    assert plan.phase("full") == parent.phase("full")


def test_other_lists_are_replaced(tmp_path):
    """
    Rules have no names to merge by; half a list would be a guess.
    """
    path = write(tmp_path, "x.yaml", "extends: production\nalerts: []\nrecovery: {tasks: [Breathe]}\n")

    plan = load_plan(path, search=(SHIPPED,))

    assert plan.alerts == ()
    assert plan.recovery.tasks == ("Breathe",)


def test_null_removes_an_optional_value(tmp_path):
    """
    What the parent has and the child does not want is taken out by name.
    """
    path = write(
        tmp_path,
        "x.yaml",
        "extends: production\nupkeep: null\nphases:\n  - {name: staging, gate: null, checklist: ~,\n"
        "     success: [{metric: health}]}\n",
    )

    plan = load_plan(path, search=(SHIPPED,))

    assert plan.upkeep is None
    assert plan.phase("staging").gate is None
    assert plan.phase("staging").checklist == ()


def test_null_does_not_remove_what_every_plan_needs(tmp_path):
    """
    The fault stands at the null, not somewhere in the parent.
    """
    assert faults(tmp_path, "extends: production\nname: x\n\nhealth: null\n") == [
        "x.yaml:4: health: required and not given; allowed: a mapping of path, every, status, within, "
        "fields, expect"
    ]


def test_a_chain_of_extends_is_followed(tmp_path):
    """
    The nearest plan wins; names and files may both be extended.
    """
    write(tmp_path, "team.yaml", "extends: production\nowner: Team A\ntick: 10s\n")
    (tmp_path / "sub").mkdir()
    path = write(tmp_path, "sub/mine.yml", "extends: ../team.yaml\ntick: 20s\n")

    plan = load_plan(path, search=(SHIPPED,))

    assert (plan.name, plan.owner, plan.tick) == ("mine", "Team A", timedelta(seconds=20))


def test_a_circle_of_extends_is_printed(tmp_path):
    """
    The reader sees which files form it.
    """
    write(tmp_path, "a.yaml", "extends: b\n")
    write(tmp_path, "b.yaml", "extends: x\n")

    assert faults(tmp_path, "name: x\nextends: a\n") == [
        "b.yaml:1: extends: a circle, x.yaml -> a.yaml -> b.yaml -> x.yaml; "
        "allowed: a plan that ends the chain"
    ]


def test_a_new_phase_takes_its_place_by_weight(tmp_path):
    """
    A new phase is YAML; where it stands follows from its weight.
    """
    path = write(
        tmp_path,
        "x.yaml",
        """\
        extends: production
        phases:
          - name: quarter
            title: A quarter
            environment: production
            weight: 25
            soak: {duration: 1h}
            low_traffic: hold
            success: [{metric: error-rate, below: 0.1%}]
            rollback: [{metric: error-rate, above: 1%}]
            hold: {name: h, question: "Go on?", roles: [sre], limit: 1h, on_expiry: reject}
        """,
    )

    plan = load_plan(path, search=(SHIPPED,))

    assert [phase.name for phase in plan.phases] == ["staging", "canary", "quarter", "partial", "full"]


@pytest.mark.parametrize(
    ("written", "weight"), [("10", 10), ('"10"', 10), ("10.5", 10.5), ("1e1", 10), ("+10", 10), ("2_0", 20)]
)
def test_a_number_may_stand_in_quotes(tmp_path, written, weight):
    """
    Its meaning is not in doubt, so nobody is sent back for a quote.
    """
    path = write(tmp_path, "x.yaml", f"extends: production\nphases: [{{name: canary, weight: {written}}}]\n")

    assert load_plan(path, search=(SHIPPED,)).phase("canary").weight == weight


def test_a_date_and_quoted_words_stay_text(tmp_path):
    """
    YAML would make them dates, truth values and numbers.
    """
    path = write(
        tmp_path,
        "x.yaml",
        """\
        extends: production
        reviewed: 2026-02-17
        health: {expect: {mode: "on", code: "10", live: true}}
        """,
    )

    plan = load_plan(path, search=(SHIPPED,))

    assert plan.reviewed == "2026-02-17"
    assert plan.health.expect == {"status": "healthy", "mode": "on", "code": "10", "live": True}


def test_a_missing_plan_lists_those_that_exist(tmp_path):
    """
    By name and by file alike.
    """
    with pytest.raises(
        PlanError, match=r"no plan 'demos'; did you mean 'demo'\? plans: demo, demo-keep, prod"
    ):
        load_plan("demos", search=(SHIPPED,))
    with pytest.raises(PlanError, match=r"nope\.yaml: no such file; plans: none"):
        load_plan(tmp_path / "nope.yaml", search=(tmp_path,))


def test_a_directory_is_no_plan(tmp_path):
    """
    A path that cannot be read is a fault of the input, not a traceback.
    """
    with pytest.raises(PlanError, match="cannot be read: Is a directory"):
        load_plan(tmp_path, search=())


@pytest.mark.skipif(sys.platform == "win32", reason="names with a colon")
@pytest.mark.parametrize("name", ["", ".", "..", "a\x00b", "~", "*"])
def test_an_odd_name_is_no_plan(name):
    """
    A name comes from a form or a command line.
    """
    with pytest.raises(PlanError, match=r"no plan|no such file|cannot be read"):
        load_plan(name, search=(SHIPPED,))


def test_the_first_directory_wins(tmp_path):
    """
    A project may have its own plan of a shipped plan's name.
    """
    write(tmp_path, "demo.yaml", "extends: production\ndescription: Our own demo\n")

    plan = load_plan("demo", search=(tmp_path, SHIPPED))

    assert plan.description == "Our own demo"
    assert plan_names((tmp_path, SHIPPED, tmp_path / "none")) == ("demo", "demo-keep", "production")
