"""D1: transactions, bookmarks, the way back and the way back from that."""

import asyncio
import re
from datetime import UTC, datetime

import pytest
from edge_caller import until

BOOKMARK = re.compile(r"[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{32}")
NOTES = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE)"


class Notes:
    """A database `notes` over REST."""

    def __init__(self, api, database):
        self.api = api
        self.path = f"/d1/database/{database}"

    async def run(self, sql, *params):
        return await self.api.call("POST", f"{self.path}/query", json={"sql": sql, "params": list(params)})

    async def refusal(self, sql, *params):
        body = {"sql": sql, "params": list(params)}
        response = await self.api.http.post(f"{self.api.account}{self.path}/query", json=body)
        (error,) = response.json()["errors"]
        return response.status_code, error["code"], error["message"]

    async def texts(self):
        (result,) = await self.run("SELECT text FROM notes ORDER BY id")
        return [row["text"] for row in result["results"]]

    async def bookmark(self, query=""):
        return (await self.api.call("GET", f"{self.path}/time_travel/bookmark{query}"))["bookmark"]

    async def restore(self, bookmark):
        return await self.api.call("POST", f"{self.path}/time_travel/restore?bookmark={bookmark}")


@pytest.fixture
async def notes(api):
    created = await api.call("POST", "/d1/database", json={"name": "notes"})
    made = Notes(api, created["uuid"])
    await made.run(NOTES)
    return made


async def test_a_query_answers_with_rows_and_meta(notes):
    """
    The shape is D1's: one result for each statement.
    """
    (written,) = await notes.run("INSERT INTO notes (text) VALUES (?), (?)", "a", "b")
    (read,) = await notes.run("SELECT * FROM notes WHERE id > ?", 1)

    assert written["success"] is True
    assert written["meta"]["changes"] == 2
    assert written["meta"]["last_row_id"] == 2
    assert written["meta"]["changed_db"] is True
    assert read["results"] == [{"id": 2, "text": "b"}]
    assert read["meta"]["changed_db"] is False
    assert read["meta"]["rows_read"] == 1
    assert read["meta"]["size_after"] > 0


async def test_several_statements_are_one_transaction(notes):
    """
    A migration that fails half-way leaves nothing of itself.
    """
    status, code, message = await notes.refusal(
        "INSERT INTO notes (text) VALUES ('a'); INSERT INTO notes (text) VALUES ('a')"
    )

    assert (status, code) == (400, 7500)
    assert message == "UNIQUE constraint failed: notes.text: SQLITE_CONSTRAINT"
    assert await notes.texts() == []


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT * FROM nowhere", "no such table: nowhere: SQLITE_ERROR"),
        ("SELEC", "SQLITE_ERROR"),
        ("", "No SQL statements"),
        ("BEGIN; SELECT 1", "SQLITE_AUTH"),
        ("/* x */ -- y\n commit", "SQLITE_AUTH"),
        ("ATTACH 'x' AS y", "SQLITE_AUTH"),
        ("PRAGMA journal_mode = DELETE", "SQLITE_AUTH"),
        ("PRAGMA main.writable_schema = 1", "SQLITE_AUTH"),
    ],
)
async def test_what_d1_does_not_run_is_refused(notes, sql, said):
    """
    Every refusal is a 400 with SQLite's name for it.
    """
    status, code, message = await notes.refusal(sql)

    assert (status, code) == (400, 7500)
    assert said in message


async def test_parameters_belong_to_one_statement(notes):
    """
    D1 refuses them for several, because it could not know whose they are.
    """
    refused = await notes.refusal("SELECT ?; SELECT ?", 1, 2)

    assert "only one statement" in refused[2]


async def test_a_number_that_sqlite_cannot_hold_is_refused(notes):
    """
    It is the caller's fault, and not an error of the platform.
    """
    status, code, message = await notes.refusal("SELECT ?", 2**63)

    assert (status, code) == (400, 7500)
    assert "Type 'bigint' not supported" in message


async def test_rows_can_be_asked_for_as_lists(notes):
    """
    Two columns of one name do not hide each other.
    """
    body = {"sql": "SELECT 1 AS n, 2 AS n"}

    (result,) = await notes.api.call("POST", f"{notes.path}/raw", json=body)

    assert result["results"] == {"columns": ["n", "n"], "rows": [[1, 2]]}


async def test_only_writes_move_the_bookmark(notes):
    """
    A bookmark that differs means that somebody wrote.
    """
    before = await notes.bookmark()
    await notes.texts()
    read = await notes.bookmark()
    await notes.run("INSERT INTO notes (text) VALUES ('a')")
    written = await notes.bookmark()

    assert BOOKMARK.fullmatch(before)
    assert read == before
    assert written > before


async def test_a_restore_can_be_undone(notes):
    """
    It happens in place, and tells how to come back.
    """
    await notes.run("INSERT INTO notes (text) VALUES ('kept')")
    bookmark = await notes.bookmark()
    await notes.run("INSERT INTO notes (text) VALUES ('lost'); CREATE TABLE more (id)")

    restored = await notes.restore(bookmark)

    assert await notes.texts() == ["kept"]
    assert "no such table" in (await notes.refusal("SELECT * FROM more"))[2]
    assert restored["bookmark"] == await notes.bookmark()
    undone = await notes.restore(restored["previous_bookmark"])
    assert await notes.texts() == ["kept", "lost"]
    assert undone["bookmark"] > restored["bookmark"] > bookmark


async def test_a_time_names_the_last_write_before_it(notes):
    """
    People remember when it was still right, not a bookmark.
    """
    first = await notes.bookmark()
    await asyncio.sleep(0.02)
    between = datetime.now(UTC)
    await asyncio.sleep(0.02)
    await notes.run("INSERT INTO notes (text) VALUES ('later')")

    found = await notes.bookmark(f"?timestamp={between.isoformat().replace('+00:00', 'Z')}")

    assert found == first


@pytest.mark.parametrize("bookmark", ["", "x", "00000001-00000000-00000001-" + "0" * 32, "ffffffff"])
async def test_a_bookmark_of_nothing_is_refused(notes, bookmark):
    """
    A bookmark of another database must not be taken for one of this.
    """
    response = await notes.api.http.post(
        f"{notes.api.account}{notes.path}/time_travel/restore?bookmark={bookmark}"
    )

    assert response.status_code == 400


async def test_databases_are_listed_and_unknown_ones_missing(notes):
    """
    A name is taken once.
    """
    listed = await notes.api.call("GET", "/d1/database?name=notes")
    described = await notes.api.call("GET", notes.path)

    assert [database["name"] for database in listed] == ["notes"]
    assert described["num_tables"] == 1
    assert described["version"] == "production"
    assert await notes.api.refusal("POST", "/d1/database", json={"name": "notes"}) == (400, 7502)
    assert await notes.api.refusal("GET", "/d1/database/none") == (404, 7404)


async def test_a_restore_reaches_the_running_versions(notes):
    """
    Both versions of a split share one database, and see it go back at once.
    """
    database = notes.path.rpartition("/")[2]
    before = await notes.bookmark()
    await notes.run("INSERT INTO notes (text) VALUES ('a')")
    await notes.api.create(bindings=[{"name": "DB", "type": "d1", "id": database}])
    seen = await notes.api.visit("/count")

    await notes.restore(before)

    assert seen == ["1"]
    assert await notes.api.visit("/count") == ["0"]

    async def again() -> bool:
        await notes.run("INSERT INTO notes (text) VALUES (hex(randomblob(8)))")
        return await notes.api.visit("/count") == ["3"]

    await until(again)
