"""D1's memory: scripts are taken apart, and each bookmark brings its content back."""

import re
import time
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasegate.edge.d1 import Database, Statement
from phasegate.edge.d1_sql import D1Error, statements

BOOKMARK = re.compile(r"[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{32}")


NOTES = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE)"


@given(
    texts=st.lists(
        st.sampled_from(
            [
                "SELECT 1",
                "INSERT INTO t VALUES ('a;b')",
                'SELECT "x;""y"',
                "SELECT 1 -- a;b\n",
                "SELECT /* ; */ 2",
                "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END",
            ]
        ),
        max_size=6,
    ),
    gap=st.sampled_from([";", "; \n", ";\n-- end;\n", ";;"]),
)
def test_a_script_is_split_where_statements_end(texts, gap):
    """
    A semicolon inside a text, a comment or a trigger ends nothing.
    """
    found = list(statements(gap.join(texts)))

    assert len(found) == len(texts)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(["grow", "shrink", "edit", "back"]), min_size=1, max_size=14), st.data())
def test_every_bookmark_brings_its_content_back(tmp_path_factory, steps, data):
    """
    Whatever was written and restored before, also after the file was opened again.
    """
    path = tmp_path_factory.mktemp("d1") / "x.sqlite"
    database = Database(path, name="x")
    seen = {}

    def content():
        (outcome,) = database.run([Statement("SELECT id, length(body) FROM t")])
        return outcome.rows

    database.run([Statement("CREATE TABLE t (id INTEGER PRIMARY KEY, body)")])
    seen[database.bookmark()] = content()
    for step in steps:
        if step == "back":
            database.restore(data.draw(st.sampled_from(sorted(seen))))
        else:
            database.run([Statement(CHANGES[step])])
        seen[database.bookmark()] = content()
    database.close()

    database = Database(path, name="x")
    for bookmark, rows in seen.items():
        database.restore(bookmark)
        assert content() == rows
    database.close()


CHANGES = {
    "grow": "INSERT INTO t (body) SELECT zeroblob(9000 + n) FROM (SELECT 1 AS n UNION SELECT 2)",
    "shrink": "DELETE FROM t WHERE id % 2 = 0",
    "edit": "UPDATE t SET body = zeroblob(length(body) + 1)",
}


def test_old_history_is_folded_and_its_bookmarks_are_gone(tmp_path):
    """
    A bookmark costs space, so the oldest are given up, and said to be gone.
    """
    database = Database(tmp_path / "x.sqlite", name="x", most_bytes=200_000)
    database.run([Statement("CREATE TABLE t (body)")])
    first = database.bookmark()
    for _ in range(100):
        database.run([Statement("INSERT INTO t VALUES (randomblob(3000))")])
    recent = database.bookmark()
    database.run([Statement("INSERT INTO t VALUES (0)")])

    with pytest.raises(D1Error, match="not kept any more"):
        database.restore(first)
    with pytest.raises(D1Error, match="not kept any more"):
        database.bookmark(time.time() - timedelta(days=1).total_seconds())
    undo = database.restore(recent).previous

    assert database.run([Statement("SELECT count(*) FROM t")])[0].rows == [(100,)]
    database.restore(undo)
    assert database.run([Statement("SELECT count(*) FROM t")])[0].rows == [(101,)]
    assert (tmp_path / "x.log").stat().st_size < 400_000
    database.close()


def test_a_commit_that_was_not_noted_is_found_at_the_next_start(tmp_path):
    """
    An edge that is killed may have committed without its history knowing.
    """
    path = tmp_path / "x.sqlite"
    database = Database(path, name="x")
    database.run([Statement("CREATE TABLE t (body)")])
    before = database.bookmark()
    database.run([Statement("INSERT INTO t VALUES (1)")])
    database.close()
    log = tmp_path / "x.log"
    log.write_bytes(log.read_bytes()[:-100])

    database = Database(path, name="x")

    assert database.run([Statement("SELECT * FROM t")])[0].rows == [(1,)]
    restored = database.restore(before)
    assert database.run([Statement("SELECT * FROM t")])[0].rows == []
    database.restore(restored.previous)
    assert database.run([Statement("SELECT * FROM t")])[0].rows == [(1,)]
    database.close()
