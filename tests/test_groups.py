"""Each test file is run exactly once by ``make test``."""

from pathlib import Path

import pytest

from tests import run
from tests.groups import TESTS, Group, every_file, files_of, group_of

pytestmark = pytest.mark.patient


def test_every_file_of_tests_is_run_exactly_once():
    """
    A file that no group runs would prove nothing, and nobody would notice.
    """
    runs = (*run.ONE_AFTER_THE_OTHER, run.BESIDE)

    ran = [file for group in runs for file in files_of(group)]

    assert sorted(runs) == sorted(Group)
    assert sorted(ran) == sorted(every_file())
    assert set(every_file()) == set(TESTS.rglob("test_*.py")) | set(TESTS.rglob("*_test.py"))


@pytest.mark.parametrize(
    ("place", "text", "group"),
    [
        ("domain/test_new.py", "", Group.PATIENT),
        ("e2e/test_new.py", "", Group.E2E),
        ("adapters/test_new.py", "", Group.REAL),
        ("of_tomorrow/test_new.py", "", Group.REAL),
        ("adapters/test_new.py", "pytestmark = pytest.mark.patient\n", Group.PATIENT),
        ("adapters/test_new.py", "pytestmark = [needs_it, pytest.mark.patient]\n", Group.PATIENT),
    ],
)
def test_a_new_file_falls_into_a_group_by_itself(tmp_path: Path, place: str, text: str, group: Group):
    """
    Who says nothing gets a machine without others on it: slower, and never wrong.
    """
    file = tmp_path / place
    file.parent.mkdir()
    file.write_text(text)

    assert group_of(file, tests=tmp_path) is group


def test_the_mark_is_only_where_it_is_read():
    """
    The mark of a single test, or of a file whose folder says otherwise, would be believed and have no effect.
    """
    marked = [file for file in every_file() if "mark.patient" in file.read_text() and file != Path(__file__)]

    assert [file for file in marked if group_of(file) is not Group.PATIENT] == []
    assert all(file.read_text().count("mark.patient") == 1 for file in marked)
