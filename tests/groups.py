"""
Which test belongs to which group, and how each group is run.

A file's group is its folder's; a file that only computes says so with ``pytestmark = pytest.mark.computed``.
What is said nowhere is ``real``: such a test has the machine for itself and its like.
"""

import re
from enum import StrEnum
from pathlib import Path

TESTS = Path(__file__).resolve().parent
SAID = re.compile(r"^pytestmark = .*\bpytest\.mark\.computed\b", re.MULTILINE)


class Group(StrEnum):
    """
    What a test needs of the machine.

    ``e2e`` and ``real`` watch real programs in real time; what is ``computed`` may be slowed down.
    """

    E2E = "e2e"
    REAL = "real"
    COMPUTED = "computed"


OF_FOLDER = {
    "e2e": Group.E2E,
    "domain": Group.COMPUTED,
    "report": Group.COMPUTED,
    "simulation": Group.COMPUTED,
}


def group_of(file: Path, *, tests: Path = TESTS) -> Group:
    """The one group that runs *file*, which is somewhere below *tests*."""
    folder = file.relative_to(tests).parts[0]
    if folder in OF_FOLDER:
        return OF_FOLDER[folder]
    return Group.COMPUTED if SAID.search(file.read_text()) else Group.REAL


def files_of(group: Group) -> tuple[Path, ...]:
    """The test files of *group*."""
    return tuple(file for file in every_file() if group_of(file) is group)


def every_file() -> tuple[Path, ...]:
    """Every file in which pytest looks for tests."""
    return tuple(sorted(TESTS.rglob("test_*.py")))
