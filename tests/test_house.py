"""The house stands as DESIGN says: layers, names, sizes."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from phasegate.cli import COMMANDS, PURPOSE, overview
from phasegate.cli_group import group

pytestmark = pytest.mark.patient

ROOT = Path(__file__).resolve().parent.parent
OURS = ("phasegate", "tasks", "flows", "deployments", "examples", "benchmarks", "tests")


def tracked(*roots: str) -> list[Path]:
    """Every Python file of *roots*."""
    return [path for root in roots for path in (ROOT / root).rglob("*.py") if "__pycache__" not in path.parts]


def test_who_may_import_whom_is_kept():
    """
    The layers are contracts, and breaking one breaks the build.
    """
    program = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "linter",
    [("ruff", "check", "--no-cache", "."), ("ruff", "format", "--no-cache", "--check", "."), ("mypy",)],
    ids=["rules", "form", "types"],
)
def test_the_tree_is_clean(linter: tuple[str, ...]):
    """
    A finding that is let through once hides the next one.
    """
    program = Path(sys.executable).with_name(linter[0])

    done = subprocess.run([program, *linter[1:]], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_edge_shares_no_code_with_the_rest():
    """
    Were it to use the adapters' code, both could be wrong together.
    """
    foreign = []
    for path in tracked("phasegate/edge"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            foreign += [
                f"{path.name}: {name}"
                for name in names
                if name.startswith(("phasegate.", "tasks", "flows")) and not name.startswith("phasegate.edge")
            ]

    assert foreign == []


def test_no_flow_file_hides_a_package():
    """
    Prefect puts flows/ first on the path, so flows/tasks.py would break `import tasks`.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {
        entry.split(";")[0].strip().lower().replace("-", "_") for entry in project["project"]["dependencies"]
    }
    taken = {name.split("=")[0].split(">")[0].split("[")[0].split("<")[0] for name in wanted}
    taken |= set(OURS) | {"httpx", "yaml"} | set(sys.stdlib_module_names)

    hidden = [path.stem for path in tracked("flows") if path.stem in taken]

    assert hidden == []


def test_files_stay_short_enough_to_answer_one_question():
    """
    A file over 300 lines has a second question in it.
    """
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked(*OURS)
        if (lines := len(path.read_text().splitlines())) > 300
    }

    assert long == {}


def test_lock_names_no_registry_host():
    """
    Versions and hashes pin what is installed; where it comes from is the machine's business.
    """
    lines = (ROOT / "requirements.lock").read_text().splitlines()

    named = [
        line for line in lines if "://" in line or line.lstrip().startswith(("--index", "--extra", "-i "))
    ]

    assert named == []
    assert sum("==" in line for line in lines) > 50


def test_the_command_line_answers_help_without_what_its_commands_need():
    """
    `phasegate --help` is typed often; click takes longer than the answer, Prefect two seconds.
    """
    code = (
        "import sys; sys.argv = ['phasegate', '--help']; from phasegate.cli import main; main(); "
        "print([name for name in ('prefect', 'pydantic', 'click', 'numpy') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    *said, heavy = done.stdout.splitlines()
    assert heavy == "[]"
    assert "\n".join(said) == overview()


def test_the_quick_help_is_clicks_own():
    """
    A second text that somebody has to keep true would not stay true.
    """
    program = group(COMMANDS, purpose=PURPOSE)

    said = CliRunner().invoke(program, ["--help"], prog_name="phasegate").output

    assert said == f"{overview()}\n"
