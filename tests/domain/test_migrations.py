"""Migrations: what is due, and what the old version would not survive."""

import pytest

from phasegate.domain.errors import Refused
from phasegate.domain.migrations import Migration, contractions, due, plan, schema_digest
from phasegate.domain.sql import is_closed, statements


def a_migration(sql: str, *, name: str = "0001.sql", down: str = "") -> Migration:
    return Migration(name=name, sql=sql, down=down)


@pytest.mark.parametrize(
    ("sql", "breaks"),
    [
        ("DROP TABLE a;", "DROP TABLE"),
        ("drop index if exists i", "DROP INDEX"),
        ("ALTER TABLE a RENAME TO b;", "RENAME"),
        ("ALTER TABLE a RENAME COLUMN x TO y;", "RENAME"),
        ('ALTER TABLE "a" DROP COLUMN x;', "DROP COLUMN"),
        ("ALTER TABLE a ADD COLUMN x TEXT NOT NULL;", "NOT NULL without DEFAULT"),
        ("CREATE UNIQUE INDEX i ON a (x);", "UNIQUE INDEX"),
        ("DELETE FROM a WHERE x = 'drop';", "DELETE"),
        ("WITH old AS (SELECT 1) DELETE FROM a WHERE x IN old;", "DELETE"),
        ("CREATE UNIQUE INDEX IF NOT EXISTS i ON b (x);", "UNIQUE INDEX"),
    ],
)
def test_a_contraction_is_named(sql: str, breaks: str):
    """
    Two versions share the database: what one takes away the other misses.
    """
    found = contractions(a_migration(f"CREATE TABLE IF NOT EXISTS b (x TEXT);\n{sql}"))

    assert [(each.line, breaks in each.breaks) for each in found] == [(2, True)]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE a (x TEXT NOT NULL);",
        "ALTER TABLE a ADD COLUMN x TEXT NOT NULL DEFAULT '';",
        "ALTER TABLE a ADD COLUMN x TEXT;",
        "CREATE INDEX i ON a (x);",
        "WITH old AS (SELECT 1) INSERT INTO a SELECT * FROM old;",
        "CREATE TABLE a (x TEXT); CREATE UNIQUE INDEX i ON a (x);",
        "-- DROP TABLE a;\n/* ALTER TABLE a RENAME TO b; */ CREATE VIEW v AS SELECT 1;",
        "INSERT INTO a VALUES ('x; DROP TABLE a; --');",
        "CREATE TABLE \"drop table a\" (x TEXT DEFAULT 'it''s; RENAME');",
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; SELECT CASE WHEN 1 THEN 2 END; END;",
    ],
)
def test_what_only_adds_is_let_through(sql: str):
    """
    A lint that is fooled by comments, texts and names is switched off within a week.
    """
    found = contractions(a_migration(sql))

    assert found == ()


@pytest.mark.parametrize(
    "sql",
    [
        "-- phasegate: contract because nobody has read it since 0.1.9\nDROP TABLE a;",
        "DROP TABLE a; -- phasegate: contract because nobody has read it since 0.1.9",
        "DROP /* phasegate: contract because nobody has read it since 0.1.9 */ TABLE a;",
    ],
)
def test_a_contraction_that_says_why_is_planned_with_its_reason(sql: str):
    """
    The reason goes into the evidence: whoever approves the release answers for it.
    """
    (planned,) = plan([a_migration(sql)], applied=[])

    (contract,) = planned.contracts
    assert contract.endswith(
        "DROP TABLE takes away what the old version may use (nobody has read it since 0.1.9)"
    )


def test_a_bare_contraction_is_refused_with_its_place():
    """
    Whoever wrote it finds it, and what is allowed, in the message.
    """
    with pytest.raises(Refused) as refusal:
        plan([a_migration("CREATE TABLE b (x);\n\nDROP TABLE a;")], applied=[])

    assert str(refusal.value).startswith("0001.sql:3: DROP TABLE a: ")
    assert "phasegate: contract because" in str(refusal.value)


def test_the_reason_of_one_statement_does_not_cover_the_next():
    """
    An annotation speaks of what stands beside it.
    """
    sql = "DROP TABLE a; -- phasegate: contract because unused\nDROP TABLE b;"

    found = contractions(a_migration(sql))

    assert [each.because for each in found] == ["unused", ""]


def test_what_is_applied_is_not_due():
    """
    The database says what it has; the order is that of the names.
    """
    files = [a_migration("SELECT 1;", name=name) for name in ("0003.sql", "0001.sql", "0002.sql")]

    found = due(files, ["0001.sql"])

    assert [each.name for each in found] == ["0002.sql", "0003.sql"]


def test_a_database_ahead_of_the_project_is_refused():
    """
    Files older than the database would be applied to something they were not written for.
    """
    with pytest.raises(Refused, match=r"0009\.sql"):
        due([a_migration("SELECT 1;")], ["0001.sql", "0009.sql"])


@pytest.mark.parametrize(
    ("sql", "closed"),
    [
        ("SELECT 1", False),
        ("SELECT 1;", True),
        ("SELECT 1; -- so", True),
        ("SELECT ';'", False),
        ("--;", True),
    ],
)
def test_an_open_statement_is_known(sql: str, closed: bool):
    """
    The row that notes the migration follows it in one request and must not become part of it.
    """
    assert is_closed(sql) is closed


def test_statements_know_their_lines():
    """
    Lines are counted through comments and texts of several lines.
    """
    found = statements("/* a\nb */ CREATE TABLE a (x TEXT DEFAULT 'one\ntwo');\n\nSELECT 1")

    assert [each.line for each in found] == [2, 5]


def test_spaces_do_not_change_a_schema():
    """
    Down-SQL may write the same table over other lines.
    """
    assert schema_digest({"a": "CREATE TABLE a (x)"}) == schema_digest({"a": "CREATE  TABLE a\n(x)"})
    assert schema_digest({"a": "CREATE TABLE a (x)"}) != schema_digest({"a": "CREATE TABLE a (y)"})
