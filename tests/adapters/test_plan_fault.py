"""Faults of plan files: every one at once, each with file, line, field, value and what is allowed."""

import re
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phasegate.adapters.plan_yaml import load_plan
from phasegate.domain.errors import PlanError
from phasegate.domain.plan import RolloutPlan

pytestmark = pytest.mark.patient

SHIPPED = Path(__file__).parents[2] / "deployments" / "plans"


def faults(folder: Path, text: str | bytes) -> list[str]:
    """The lines of the error for a plan with *text*, without the folder."""
    path = folder / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
    with pytest.raises(PlanError) as refused:
        load_plan(path, search=(SHIPPED,))
    return str(refused.value).replace(f"{folder}/", "").splitlines()


def test_every_fault_is_named_with_its_line(tmp_path):
    """
    One reading, all faults: field, value, what is allowed and what was probably meant.
    """
    text = """\
        extends: production
        nam: x
        tick: 5
        alpha: 0%
        owner: 2026
        attribution: literall
        channels: {critcal: [pagerduty]}
        phases:
          - name: canary
            weight: ten
            soak: {duratoin: 2h}
            success:
              - {metric: error-rte, below: 1%}
              - {below: 1%}
              - {metric: latency, below: 5 lightyears}
          - name: full
            low_traffic: acept
            hold: {roles: [], on_expiry: approve}
          - 7
    """
    every = ", ".join(RolloutPlan.model_fields)
    fields = "name, title, environment, weight, soak, success, rollback, low_traffic, synthetic, "

    assert faults(tmp_path, text) == [
        f"x.yaml:2: nam: unknown key; did you mean 'name'? allowed: {every}, extends",
        "x.yaml:3: tick: 5 is not a duration; write a number and a unit (ms, s, m, h, d), "
        "such as 2h or 1500ms",
        "x.yaml:4: alpha: '0%' is not allowed; allowed: a percentage such as 0.1% or a number from 0 to 1, "
        "more than 0%",
        "x.yaml:5: owner: 2026 is not allowed; allowed: text of at least 2 characters; in quotes it is text",
        "x.yaml:6: attribution: 'literall' is not allowed; did you mean 'literal'? "
        "allowed: literal, attributed",
        "x.yaml:7: channels.critcal: 'critcal' is not allowed; did you mean 'critical'? "
        "allowed: info, warning, critical",
        "x.yaml:10: phases.canary.weight: 'ten' is not allowed; allowed: a number from 0 to 100",
        "x.yaml:11: phases.canary.soak.duratoin: unknown key; did you mean 'duration'? "
        "allowed: duration, warmup, extensions",
        "x.yaml:13: phases.canary.success[0].metric: 'error-rte' is not allowed; did you mean 'error-rate'? "
        "allowed: attested, critical-alerts, error-rate, health, latency, unreported",
        "x.yaml:14: phases.canary.success[1].metric: required and not given; "
        "allowed: attested, critical-alerts, error-rate, health, latency, unreported",
        "x.yaml:15: phases.canary.success[2].below: '5 lightyears' is not a duration; write a number and a "
        "unit (ms, s, m, h, d), such as 2h or 1500ms",
        "x.yaml:17: phases.full.low_traffic: 'acept' is not allowed; did you mean 'accept'? "
        "allowed: hold, accept",
        "x.yaml:18: phases.full.hold.roles: a list of 0 is not allowed; allowed: a list (at least 1) of text",
        "x.yaml:18: phases.full.hold.on_expiry: 'approve' is not allowed; allowed: reject",
        f"x.yaml:19: phases[4]: 7 is not allowed; allowed: a mapping of {fields}validation, load, "
        "checklist, watch, gate, hold, tasks",
    ]


def test_an_unsafe_plan_points_at_the_phase(tmp_path):
    """
    Rules about the whole plan name the line that would have to change, in the file that has it.
    """
    text = """\
        extends: production
        telemetry: {silence_warns: 20m}
        phases:
          - name: partial
            weight: 5
            soak: null
          - name: full
            rollback:
              - {metric: reported, text: Something smells}
    """

    assert faults(tmp_path, text) == [
        "x.yaml:2: telemetry.silence_warns: 20m with silence_holds 15m; allowed: less than 15m",
        "x.yaml:5: phases.partial.weight: 5 after 10 in 'canary'; weights must rise; "
        "allowed: more than 10, up to 100",
        "x.yaml:6: phases.partial.soak: none at 5 % of production; allowed: a duration of at least 3m",
        "x.yaml:8: phases.full.rollback: 0 automatic thresholds that can act within the soak at 100 % of "
        "production; allowed: at least 1",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "x.yaml:1: the file is empty; allowed: a mapping of plan fields"),
        ("# nothing\n", "x.yaml:1: the file is empty; allowed: a mapping of plan fields"),
        ("- a\n", "x.yaml:1: a list at the top; allowed: a mapping of plan fields"),
        ("\n\nplan\n", "x.yaml:3: 'plan' at the top; allowed: a mapping of plan fields"),
        (
            "a: [1\nb: 2",
            "x.yaml:2: not readable as YAML: while parsing a flow sequence, expected ',' or ']', but got ':'",
        ),
        (
            "a:\n\tb: 1\n",
            "x.yaml:2: not readable as YAML: while scanning for the next token, found character '\\t' that "
            "cannot start any token",
        ),
        (
            "a: 1\n---\nb: 2\n",
            "x.yaml:2: not readable as YAML: expected a single document in the stream, "
            "but found another document",
        ),
        (b"a: b\nc: \xff\n", "x.yaml:2: the byte 0xff is not UTF-8; allowed: text in UTF-8"),
        ("a: 1\nb: \x07\n", "x.yaml:2: the character U+0007 is not allowed in YAML"),
        ("[" * 200_000, "x.yaml:1: not readable as YAML: nested deeper than 40 levels"),
        ("a: &a [*a]\n", "x.yaml:1: aliases make the plan too large; allowed: 20000 values in 40 levels"),
        (b"a: " + b"x" * (1 << 20), "x.yaml: larger than allowed; allowed: at most 1048576 bytes (1 MiB)"),
        ("extends: [production]\n", "x.yaml:1: extends: not a name; allowed: a plan's name or a file"),
        ("name: a\nextends: ../no.yaml\n", "x.yaml:2: extends: no such file: ../no.yaml"),
        (
            "name: a\nextends: produktion\n",
            "x.yaml:2: extends: no plan 'produktion'; did you mean 'production'? "
            "plans: demo, demo-keep, production, x",
        ),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_plan_at_all_is_one_line(tmp_path, text, says):
    """
    Whatever the file holds, the reader learns in one line what is wrong with it.
    """
    assert faults(tmp_path, text) == [says]


def test_a_billion_laughs_are_not_laughed(tmp_path):
    """
    Aliases are allowed, but not to make a small file a large plan.
    """
    rows = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]

    (said,) = faults(tmp_path, "\n".join(["a0: &a0 [1]", *rows]))

    assert said.endswith("aliases make the plan too large; allowed: 20000 values in 40 levels")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "owner: !!python/object/apply:os.system [ls]",
            "the tag !!python/object/apply:os.system is not allowed",
        ),
        ("owner: !secret x1", "the tag !secret is not allowed; allowed: plain values without a tag"),
        ("<<: {owner: Me}", "the merge key << is not allowed; allowed: an alias, or `extends`"),
        ("? [a]\n: b", "a list or mapping as a key; allowed: text"),
        ("owner: Me\nowner: You", "owner: given twice, first on line 2; allowed: once"),
        ('"a\\nb": 1', r"a\nb: unknown key"),
        ("owner: off", 'off means true or false to some readers; allowed: true, false or "off"'),
    ],
)
def test_only_a_plain_subset_of_yaml_is_read(tmp_path, line, says):
    """
    No code runs, nothing is given twice, and no word changes its meaning between readers.
    """
    said = faults(tmp_path, f"extends: production\n{line}\n")

    assert any(says in fault for fault in said), said


PIECES = (
    "phases",
    "extends",
    "production",
    "name",
    "canary",
    "weight",
    "10",
    ": ",
    "- ",
    "\n",
    "  ",
    "{",
    "}",
)
MORE = (
    "[",
    "]",
    "null",
    '"',
    "&a ",
    "*a",
    "!!str ",
    "2h",
    "0.1%",
    "success",
    "metric",
    "latency",
    "\t",
    "#",
    ",",
)


@given(st.lists(st.sampled_from(PIECES + MORE), max_size=40).map("".join) | st.text(max_size=60))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_whatever_ends_in_a_traceback(tmp_path, text):
    """
    A file is a plan or a fault with its file and line; there is nothing in between.
    """
    path = tmp_path / "x.yaml"
    path.write_bytes(text.encode(errors="surrogatepass"))

    try:
        load_plan(path, search=(SHIPPED,))
    except PlanError as error:
        for line in str(error).splitlines():
            assert re.match(rf"({re.escape(str(path))}|.*production\.yaml):\d+: ", line), line
