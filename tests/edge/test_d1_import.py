"""SQL as a file: uploaded to an address of its own, and run as one transaction."""

import hashlib

import pytest

from phasegate.edge.d1_databases import Databases
from phasegate.edge.d1_import import Imports
from phasegate.edge.envelope import ApiError
from phasegate.edge.state import State

NOTES = b"CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE);\n"
SEED = NOTES + b"INSERT INTO notes (text) VALUES ('a;b'), ('c'); -- two; rows\nSELECT * FROM notes;\n"
LONG = (
    b"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT max(i) FROM n"
)


class Importer:
    """The four calls, on one database."""

    def __init__(self, api, database):
        self.api = api
        self.path = f"/d1/database/{database}"

    async def step(self, action, *, expect=200, **body):
        sent = {"action": action} | body
        return await self.api.call("POST", f"{self.path}/import", json=sent, expect=expect)

    async def uploaded(self, sql, *, etag=None):
        """Announce and upload *sql*; its MD5."""
        etag = etag or hashlib.md5(sql).hexdigest()
        begun = await self.step("init", etag=etag)
        # The address itself is the proof, so a token must not be asked for.
        answer = await self.api.http.put(begun["upload_url"], content=sql, headers={"authorization": ""})
        assert answer.status_code == 200, answer.text
        assert answer.headers["etag"].strip('"') == etag
        return etag

    async def rows(self):
        query = {"sql": "SELECT text FROM notes"}
        (result,) = await self.api.call("POST", f"{self.path}/query", json=query)
        return [row["text"] for row in result["results"]]


@pytest.fixture
async def importer(api):
    created = await api.call("POST", "/d1/database", json={"name": "notes"})
    return Importer(api, created["uuid"])


async def test_a_file_is_run_and_summed_up(importer):
    """
    Its end says what wrangler prints: statements, rows, size, and the bookmark.
    """
    etag = await importer.uploaded(SEED)

    done = await importer.step("ingest", etag=etag, filename="seed.sql")
    again = await importer.step("poll", current_bookmark=done["at_bookmark"])

    assert (done["success"], done["status"]) == (True, "complete")
    assert done["result"]["num_queries"] == 3
    assert done["result"]["meta"]["rows_written"] == 2
    assert done["result"]["final_bookmark"] > done["at_bookmark"]
    assert again == done
    assert await importer.rows() == ["a;b", "c"]


async def test_a_file_that_fails_leaves_nothing(importer):
    """
    The database is as it was, and the answer names the reason.
    """
    etag = await importer.uploaded(NOTES + b"INSERT INTO nowhere VALUES (1);")

    failed = await importer.step("ingest", etag=etag)
    await importer.uploaded(SEED)

    assert failed["status"] == "error"
    assert failed["errors"] == ["no such table: nowhere: SQLITE_ERROR"]
    known = await importer.step("init", etag=hashlib.md5(SEED).hexdigest())
    assert "upload_url" not in known, "a file that is here is run at once"
    assert known["status"] == "complete"


async def test_a_long_import_is_asked_for_until_it_ends(tmp_path):
    """
    An answer does not wait for ever; meanwhile another file is refused.
    """
    state = State(tmp_path / "state.sqlite")
    databases = Databases(tmp_path / "d1", state)
    database = databases.create("notes").id
    imports = Imports(databases, patience=0.0)
    long, other = (announced(imports, database, sql) for sql in (LONG, SEED))

    first = await imports.begin(database, long)
    with pytest.raises(ApiError, match="another import"):
        await imports.begin(database, other)
    await imports.close()
    last = await imports.progress(database)
    then = await imports.begin(database, other)
    await imports.close()
    await databases.close()
    state.close()

    assert (first["status"], first["success"]) == ("active", True)
    assert last["status"] == "complete"
    assert then["status"] == "active"


def announced(imports, database, sql):
    """Announce and upload *sql* without HTTP; its MD5."""
    etag = hashlib.md5(sql).hexdigest()
    ticket, _ = imports.expect(database, etag)
    return imports.take(ticket, sql)


async def test_what_was_not_announced_is_refused(importer):
    """
    An address takes one file, the one that it was given for.
    """
    begun = await importer.step("init", etag=hashlib.md5(SEED).hexdigest())
    put = importer.api.http.put

    wrong = await put(begun["upload_url"], content=b"something else")
    late = await put(begun["upload_url"], content=SEED)

    assert (wrong.status_code, late.status_code) == (400, 403)
    for body in ({"action": "ingest", "etag": "0" * 32}, {"action": "init"}, {"action": "fly"}):
        status, _ = await importer.api.refusal("POST", f"{importer.path}/import", json=body)
        assert status == 400
