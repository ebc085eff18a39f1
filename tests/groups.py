"""
Which test belongs to which group, and how each group is run.

A file's group is its folder's; a patient file says so with ``pytestmark = pytest.mark.patient``.
What is said nowhere is ``real``: such a test has the machine for itself and its like.
"""

import re
from enum import StrEnum
from pathlib import Path

TESTS = Path(__file__).resolve().parent
SAID = re.compile(r"^pytestmark = .*\bpytest\.mark\.patient\b", re.MULTILINE)


class Group(StrEnum):
    """
    What a test needs of the machine.

    ``e2e`` and ``real`` watch real programs in real time. ``patient`` is what computes, or waits for a
    program to end and not for a moment to come; it may be slowed down. What it starts stays in its session.
    """

    E2E = "e2e"
    REAL = "real"
    PATIENT = "patient"


OF_FOLDER = {
    "e2e": Group.E2E,
    "domain": Group.PATIENT,
    "report": Group.PATIENT,
    "simulation": Group.PATIENT,
}


def group_of(file: Path, *, tests: Path = TESTS) -> Group:
    """The one group that runs *file*, which is somewhere below *tests*."""
    folder = file.relative_to(tests).parts[0]
    if folder in OF_FOLDER:
        return OF_FOLDER[folder]
    return Group.PATIENT if SAID.search(file.read_text()) else Group.REAL


def files_of(group: Group) -> tuple[Path, ...]:
    """The test files of *group*."""
    return tuple(file for file in every_file() if group_of(file) is group)


def every_file() -> tuple[Path, ...]:
    """Every file in which pytest looks for tests."""
    return tuple(sorted(TESTS.rglob("test_*.py")))
